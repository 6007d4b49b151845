"""A model behind a server: a real one on loopback with a tiny model, and one that does all that servers do wrong."""

import dataclasses
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from macsql.config import ApiConfig, GenerationConfig
from macsql.errors import UserError
from macsql.pipeline import chat_api
from macsql.pipeline.chat_api import ChatApi, NoAnswerError, check

KEY = "sk-very-secret-0123456789"
GREEDY = GenerationConfig(max_new_tokens=16)


def answer(text: str, **changes) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"} | changes
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return json.dumps({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()


class Bad(BaseHTTPRequestHandler):
    """Answers with what its server's script says, one step for each request; the last one again and again."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(({name.lower(): text for name, text in self.headers.items()}, body, self.path))
        script = self.server.script
        step = script.pop(0) if len(script) > 1 else script[0]
        if step == "hang":
            time.sleep(3)
            return
        if step == "drop":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, content, *headers = step
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """A server whose `script` says what it does."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Bad)
    made.script, made.seen = [(200, answer("hello"))], []
    made.daemon_threads = True
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def api(server, monkeypatch):
    """A client of that server, which waits for nothing."""
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *_: 0.0)

    def make(**changes) -> ChatApi:
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        given = {"model": "m", "base_url": url, "key_env": "MY_KEY", "timeout": 0.5, "max_retries": 2} | changes
        return ChatApi(ApiConfig(**given), sleep=lambda _: None)

    return make


def refused(status: int, message: str, **more) -> tuple[int, bytes]:
    return status, json.dumps({"error": {"message": message, "type": "x", "code": None} | more}).encode()


def test_an_answer_with_its_tokens_and_what_it_cost(server, api):
    client = api(prompt_price=10.0, answer_price=30.0, options={"top_p": 0.5})
    [one] = client.answer(["how many?"], GREEDY)
    assert (one.text, one.truncated, one.tokens, one.read_tokens) == ("hello", False, 10, 100)
    usage = client.usage
    assert (usage.requests, usage.repeated, usage.read_tokens, usage.wrote_tokens) == (1, 0, 100, 10)
    assert usage.cost == pytest.approx(100 * 10 / 1e6 + 10 * 30 / 1e6)
    headers, body, path = server.seen[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body["messages"] == [{"role": "user", "content": "how many?"}]
    assert (body["temperature"], body["max_tokens"], body["top_p"], body["model"]) == (0, 16, 0.5, "m")


def test_answers_stand_in_the_order_of_their_prompts(server, api):
    server.script = [(200, answer("x"))]
    assert len(api(parallel=3).answer([str(n) for n in range(7)], GREEDY)) == 7


def test_an_answer_at_the_limit_is_truncated(server, api):
    server.script = [(200, answer("SELECT", finish_reason="length"))]
    assert api().ask("?", GREEDY).truncated


@pytest.mark.parametrize(
    "faults",
    [
        [refused(429, "slow down")],
        [refused(429, "slow down"), refused(429, "slow down")],
        [refused(500, "oops")],
        [(503, b"<html>")],
        ["drop"],
        ["hang"],
        [(200, b"{not json")],
        [(200, b"[]")],
        [(200, b'{"choices": []}')],
        [(200, b'{"choices": [{"message": {"content": 3}}]}')],
        [(200, b"\xff\xfe")],
    ],
    ids=str,
)
def test_a_fault_that_passes_is_asked_again(server, api, faults):
    server.script = [*faults, (200, answer("there"))]
    client = api()
    assert client.ask("?", GREEDY).text == "there"
    assert len(server.seen) == len(faults) + 1
    assert (client.usage.requests, client.usage.repeated) == (1, len(faults))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (refused(429, "slow down"), "429: slow down"),
        (refused(500, "oops"), "500: oops"),
        ("drop", "Connection error"),
        ("hang", "timed out"),
        ((200, b"{not json"), "cannot be read"),
        (refused(400, "context length exceeded"), "400: context length exceeded"),
    ],
    ids=str,
)
def test_a_fault_that_stays_costs_this_prompt_alone(server, api, fault, words):
    server.script = [fault]
    client = api(timeout=0.2)
    with pytest.raises(NoAnswerError, match=words):
        client.ask("?", GREEDY)
    assert 1 <= len(server.seen) <= 4
    server.script = [(200, answer("again"))]
    assert client.ask("?", GREEDY).text == "again"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (refused(401, f"Incorrect API key provided: {KEY}"), "refuses the key in MY_KEY"),
        (refused(403, "not for you"), "refuses the key in MY_KEY"),
        (refused(404, "no such model"), "has no model 'm'"),
        (refused(429, "You exceeded your quota", code="insufficient_quota"), "no money left"),
    ],
    ids=str,
)
def test_what_no_further_prompt_would_change_stops_at_once_and_never_shows_the_key(server, api, fault, words):
    server.script = [fault]
    with pytest.raises(UserError, match=words) as stop:
        api(max_retries=0).ask("?", GREEDY)
    assert KEY not in str(stop.value)
    assert len(server.seen) == 1


def test_newer_models_call_the_limit_otherwise(server, api):
    server.script = [refused(400, "Unsupported: use 'max_completion_tokens' instead"), (200, answer("yes"))]
    client = api()
    assert client.ask("?", GREEDY).text == "yes"
    assert client.ask("?", GREEDY).text == "yes"
    assert ["max_completion_tokens" in body for _, body, _ in server.seen] == [False, True, True]


def test_requests_are_spread_over_the_minute(api, monkeypatch):
    waits = []
    client = api(requests_per_minute=60)
    client._sleep = waits.append
    monkeypatch.setattr(chat_api.time, "monotonic", lambda: 1000.0)
    for _ in range(4):
        client.ask("?", GREEDY)
    assert waits == pytest.approx([0.0, 1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key_env": KEY}, "names an environment variable"),
        ({"base_url": None, "key_env": "NOT_SET"}, "set the environment variable NOT_SET"),
        ({"base_url": "http://me:secret@host/v1"}, "holds a password"),
        ({"base_url": "127.0.0.1:8000"}, "is no address"),
        ({"base_url": "http://host:port"}, "is no address"),
        ({"timeout": 0}, "seats.api.timeout=0"),
        ({"parallel": 0}, "seats.api.parallel=0"),
        ({"max_retries": -1}, "seats.api.max_retries=-1"),
        ({"requests_per_minute": -1.0}, "requests_per_minute=-1"),
    ],
    ids=str,
)
def test_a_configuration_that_asks_nobody_is_one_sentence_without_secrets(changes, words):
    config = dataclasses.replace(ApiConfig(base_url="http://127.0.0.1:1/v1"), **changes)
    with pytest.raises(UserError, match=words) as stop:
        check(config)
    assert KEY not in str(stop.value)
    assert "secret" not in str(stop.value)


def test_a_server_that_is_not_there(api):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NoAnswerError, match="Connection error"):
        api(base_url=f"http://127.0.0.1:{port}/v1", max_retries=0).ask("?", GREEDY)


def test_a_real_server_answers(tmp_path):
    """`transformers serve` with a Llama of random weights made here; within this process, which has torch already."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.cli.serve import Serve

    sketch = Tokenizer(models.BPE(unk_token="<unk>"))
    sketch.pre_tokenizer = pre_tokenizers.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "<eos>"], show_progress=False)
    sketch.train_from_iterator(["SELECT name FROM vessel"] * 5, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=sketch, eos_token="<eos>", pad_token="<eos>", unk_token="<unk>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), eos_token_id=1, pad_token_id=1, **sizes)
    torch.manual_seed(0)  # other weights might end an answer early
    LlamaForCausalLM(config).save_pretrained(tmp_path / "llama")
    tokenizer.save_pretrained(tmp_path / "llama")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = str(tmp_path / "llama")
    serve = Serve(force_model=name, host="127.0.0.1", port=port, device="cpu", non_blocking=True, log_level="error")
    try:
        client = ChatApi(ApiConfig(model=name, base_url=f"http://127.0.0.1:{port}/v1", timeout=30.0, max_retries=3))
        one, other = client.answer(["How many ships?", "Names?"], GenerationConfig(max_new_tokens=5))
        assert one.tokens == 5
        assert one.truncated
        assert one.read_tokens > 0
        assert other.read_tokens < one.read_tokens
        assert client.usage.requests == 2
    finally:
        serve.kill_server()
