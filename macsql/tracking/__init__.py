"""Runs in MLflow: trials, sweeps, evaluations, traces and registered models. The only room that knows MLflow."""
