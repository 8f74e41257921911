"""Layers that are fitted, not trained: what contrastive heads need before they are looked at."""

from __future__ import annotations

import numpy as np
import torch

from workbench.data.batching import collate
from workbench.inference.evaluation import length_sorted_batches
from workbench.model.heads import FittedHead
from workbench.training.run import Run


def fit_heads(run: Run) -> None:
    """Fit the layers of contrastive heads on the training texts as the backbone sees them now.

    Logistic regression with scikit-learn's default penalty: the same vectors give the same layer.
    """
    model = run.loaded.model
    for task, head in model.heads.items():
        if isinstance(head, FittedHead):
            vectors, labels = _vectors(run, task, head)
            weight, bias = _logistic_regression(vectors, labels, len(head.bias))
            head.set_layer(torch.from_numpy(weight), torch.from_numpy(bias))


@torch.no_grad()
def _vectors(run: Run, task: str, head: FittedHead) -> tuple[np.ndarray, np.ndarray]:
    """What the head sees of its training texts, `(texts, width)`, and their classes."""
    model, pad_id = run.loaded.model, run.loaded.tokenizer.pad_id
    examples = [one for one in run.train_split.examples if task in one.labels]
    was_training = model.training
    model.eval()
    vectors, labels = [], []
    for indices in length_sorted_batches(np.array([one.length for one in examples])):
        inside = [examples[index] for index in indices]
        on_cpu = collate(inside, indices.tolist(), pad_id=pad_id)
        batch = on_cpu.to(run.arithmetic.device)
        with run.arithmetic.autocast(), run.features.given(on_cpu):
            pooled = model.read(batch.ids, batch.mask, batch.segments).texts(task)
        vectors.append(head.fitted_on(pooled[batch.targets[task].rows]).cpu().numpy())
        labels += [one.labels[task] for one in inside]
    model.train(was_training)
    return np.concatenate(vectors).astype(np.float64), np.array(labels)


def _logistic_regression(
    vectors: np.ndarray, labels: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weight `(classes, width)` and bias `(classes,)` of a softmax over the classes."""
    from sklearn.linear_model import LogisticRegression  # 1 s that a start does without

    fitted = LogisticRegression(max_iter=1000).fit(vectors, labels)
    weight, bias = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # one row, for the second class against the first
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    whole_weight = np.zeros((classes, vectors.shape[1]), np.float32)
    whole_bias = np.full(classes, -1e4, np.float32)  # a class without an example is never said
    whole_weight[fitted.classes_], whole_bias[fitted.classes_] = weight, bias
    return whole_weight, whole_bias
