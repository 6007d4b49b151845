"""A model behind a server that speaks as OpenAI's does: GPT-4, vLLM, Ollama, llama.cpp, `transformers serve`.

The `openai` client repeats a request that met a rate limit, a server error, a lost connection or silence, with back-off
and as the server's Retry-After says. What comes back as no answer of a chat is asked for again here. The key is taken
from the environment, sent, and neither kept nor shown.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from macsql.config import ApiConfig, GenerationConfig
from macsql.errors import UserError, first_line
from macsql.models.card import Card
from macsql.models.model import Answer
from macsql.records import AGENTS

FAMILY = "chat-api"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NO_KEY = "none"  # sent to a server of one's own that asks for no key
FATAL = {  # HTTP status -> what no further question would change
    401: "refuses the key in {key}",
    403: "refuses the key in {key}",
    404: "has no model {model!r}, or nothing at this address",
}
QUOTA = "insufficient_quota"  # OpenAI's code for an account without money, sent as a rate limit
POSITIVE = ("max_source_length", "max_target_length", "timeout", "parallel")


class NoAnswerError(Exception):
    """One prompt has no answer, for a reason that may not hold for the next."""


@dataclass(frozen=True)
class Usage:
    """What has been asked and what it cost."""

    requests: int = 0  # that brought an answer
    repeated: int = 0  # requests beyond the first for a prompt
    read_tokens: int = 0
    wrote_tokens: int = 0
    cost: float = 0.0


def check(config: ApiConfig) -> None:
    """Raise UserError for a configuration with which no server can be asked; no value that may be a key is shown."""
    if not VARIABLE.fullmatch(config.key_env):
        raise UserError(
            "seats.api.key_env names an environment variable, as in OPENAI_API_KEY: what was given is no such name. "
            "A key itself belongs into the environment alone."
        )
    for name in POSITIVE:
        if not getattr(config, name) > 0:
            raise UserError(f"seats.api.{name}={getattr(config, name)}: a number above 0 is needed.")
    for name in ("max_retries", "prompt_price", "answer_price"):
        if not getattr(config, name) >= 0:
            raise UserError(f"seats.api.{name}={getattr(config, name)}: 0 or more is needed.")
    if config.requests_per_minute is not None and not config.requests_per_minute > 0:
        raise UserError(f"seats.api.requests_per_minute={config.requests_per_minute}: a number above 0 is needed.")
    if config.base_url is not None:
        try:
            parts = urlsplit(config.base_url)
            parts.port  # noqa: B018 -- raises for what is no port
        except ValueError as error:
            raise UserError("seats.api.base_url is no address: write it as http://HOST:PORT/v1.") from error
        if parts.username or parts.password:
            raise UserError("seats.api.base_url holds a password, which would be written down: leave it out.")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"seats.api.base_url={config.base_url} is no address: write it as http://HOST:PORT/v1.")
    elif not os.environ.get(config.key_env):
        raise UserError(
            f"Asking {config.model} needs a key: set the environment variable {config.key_env}, or name a server of "
            "your own with seats.api.base_url=http://HOST:PORT/v1."
        )


class ChatApi:
    """A server's model; safe to share between threads."""

    def __init__(self, config: ApiConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        """Raises UserError as `check` does, and where the `openai` client is not installed. Asks nothing yet."""
        check(config)
        try:
            import openai
        except ImportError as error:
            raise UserError("Asking a server needs the library openai: pip install openai==3.57.0.") from error
        self.config, self.usage, self._sleep = config, Usage(), sleep
        self.card = Card(
            family=FAMILY,
            prompt_style=config.style,
            codec="verbatim",
            max_source_length=config.max_source_length,
            max_target_length=config.max_target_length,
            template="none",
            agents=AGENTS,
            data_fingerprint="",
            version="",
            value_examples=2 if config.style == "brief" else 6,
            prompt_budget=config.max_source_length,
        )
        self._key = os.environ.get(config.key_env) or NO_KEY
        self._openai: Any = openai
        self._client: Any = openai.OpenAI(
            api_key=self._key, base_url=config.base_url, timeout=config.timeout, max_retries=config.max_retries
        )
        self._limit = "max_tokens"  # newer models of OpenAI's call it otherwise
        self._lock = threading.Lock()
        self._next = 0.0  # when the next request may be sent

    @property
    def host(self) -> str:
        """Where the server is."""
        return self._client.base_url.host

    def answer(
        self,
        prompts: Sequence[str],
        generation: GenerationConfig,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[Answer]:
        """One answer per prompt, in their order. Raises UserError as `ask` does, and where a prompt has none."""
        answers = []
        with ThreadPoolExecutor(self.config.parallel) as threads:
            try:
                for answer in threads.map(lambda prompt: self.ask(prompt, generation), prompts):
                    answers.append(answer)
                    progress(len(answers))
            except NoAnswerError as error:
                raise UserError(f"{self.config.model} gave no answer ({error}).") from error
        return answers

    def ask(self, prompt: str, generation: GenerationConfig) -> Answer:
        """The answer to one prompt.

        Raises NoAnswerError where this prompt has none after all attempts, and UserError where no prompt would have
        one: a key that is refused, a model that is not there, an account without money.
        """
        for attempt in range(self.config.max_retries + 1):
            self._wait()
            try:
                raw = self._client.chat.completions.with_raw_response.create(**self._request(prompt, generation))
                return self._read(raw, attempt)
            except self._openai.BadRequestError as error:
                if self._limit == "max_tokens" and "max_completion_tokens" in str(error):
                    self._limit = "max_completion_tokens"
                    continue
                raise NoAnswerError(self._said(error)) from error
            except self._openai.APIStatusError as error:
                raise self._refusal(error) from error
            except self._openai.APIConnectionError as error:  # a time-out is one, too
                raise NoAnswerError(self._said(error)) from error
            except ValueError as error:  # no JSON, or not of a chat
                broken = error
            self._sleep(min(8.0, 0.5 * 2**attempt))
        raise NoAnswerError(f"its answers cannot be read: {self._said(broken)}")

    def _request(self, prompt: str, generation: GenerationConfig) -> dict[str, Any]:
        return {
            "model": self.config.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": generation.temperature if generation.do_sample else 0,
            self._limit: min(generation.max_new_tokens, self.config.max_target_length),
            **({"extra_body": self.config.options} if self.config.options else {}),
        }

    def _read(self, raw: Any, attempt: int) -> Answer:
        """The answer in a response. Raises ValueError where it holds none."""
        try:
            told = raw.http_response.json()
            choice = told["choices"][0]
            text = "".join([choice["message"].get("content") or choice["message"].get("refusal") or ""])
            usage = told.get("usage") or {}
            read, wrote = (int(usage.get(f"{name}_tokens") or 0) for name in ("prompt", "completion"))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(first_line(error)) from error
        self._count(read, wrote, attempt + raw.retries_taken)
        return Answer(text, text, choice.get("finish_reason") == "length", wrote, read)

    def _count(self, read: int, wrote: int, repeated: int) -> None:
        price = (read * self.config.prompt_price + wrote * self.config.answer_price) / 1e6
        with self._lock:
            was = self.usage
            self.usage = Usage(
                was.requests + 1,
                was.repeated + repeated,
                was.read_tokens + read,
                was.wrote_tokens + wrote,
                was.cost + price,
            )

    def _wait(self) -> None:
        """Wait until the next request may be sent."""
        if self.config.requests_per_minute is None:
            return
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._next)
            self._next = begin + 60 / self.config.requests_per_minute
        self._sleep(begin - now)

    def _refusal(self, error: Any) -> Exception:
        """What a status means: for this prompt alone, or for all."""
        said = FATAL.get(error.status_code)
        if getattr(error, "code", None) == QUOTA:
            said = "has no money left for the key in {key}"
        if said is None:
            return NoAnswerError(self._said(error))
        told = said.format(key=self.config.key_env, model=self.config.model)
        return UserError(f"{self.host} {told} ({self._said(error)}).")

    def _said(self, error: Exception) -> str:
        """What an error says, without the key, which a server may repeat."""
        body = getattr(error, "body", None)
        told = (
            next((body[key] for key in ("message", "detail", "error") if key in body), None)
            if isinstance(body, dict)
            else body
        )
        line = first_line(error)
        if isinstance(told, str) and told.strip():
            status = getattr(error, "status_code", None)
            line = first_line(ValueError(told)) if status is None else f"{status}: {first_line(ValueError(told))}"
        return line if self._key == NO_KEY else line.replace(self._key, "...")
