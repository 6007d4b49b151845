"""What trials tell while they run, and what the pruner makes of it."""

from macsql.coordination.progress import Running
from macsql.search.plan import PlannedTrial
from macsql.search.study import Study
from macsql.trials.events import read_events
from macsql.trials.folder import EVENTS


class Monitor:
    """Reads the events of running trials and reports the objective to the study."""

    def __init__(self, study: Study, objective: str) -> None:
        self.study, self.objective = study, objective

    def hear(self, running: Running) -> None:
        """Take in what the trial has told since the last time. Where the pruner says no, it is stopped for good."""
        events, running.offset = read_events(running.trial.folder / EVENTS, running.offset)
        for event in events:
            if running.pruned:
                return  # what it told after the decision is chance
            running.step, running.epoch = event.step, event.epoch
            running.latest.update(event.metrics)
            if self.objective not in event.metrics:
                continue
            if event.step not in running.evaluations:
                running.evaluations.append(event.step)
            place = running.evaluations.index(event.step) + 1
            if self.study.report(running.trial.index, place, event.metrics[self.objective]):
                self._prune(running)

    def as_it_was_pruned(self, trial: PlannedTrial) -> Running:
        """A trial at the evaluation after which it was pruned, in a call that died before writing that down."""
        running, told = Running(trial, None, pruned=True), self.study.reported(trial.index)
        for event in read_events(trial.folder / EVENTS)[0]:
            running.step = event.step
            running.latest.update(event.metrics)
            told -= self.objective in event.metrics
            if told == 0:
                break
        return running

    def _prune(self, running: Running) -> None:
        # The study hears of it before the trial does: whatever is killed from here on, the decision stands.
        running.pruned = True
        self.study.finish(running.trial.index, None, pruned=True)
        if running.handle is not None:
            running.handle.stop()
