"""The same work by the trainer of sentence-transformers: one model, a loss with a head per task.

Its losses see pooled vectors only, so words are tagged from the token vectors it also returns.

python benchmarks/peer_sentence_transformers.py --data-root CORPORA --steps N [--threads N]
"""

from __future__ import annotations

import time

START = time.perf_counter()

import tempfile  # noqa: E402  # the clock starts before the imports, as a user waits for them too
from collections.abc import Iterable  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from plain_loop import Task, backbone_folder  # noqa: E402
from same_work import Clock, arguments, read_tasks  # noqa: E402
from sentence_transformers import (  # noqa: E402
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from torch import nn  # noqa: E402
from transformers import TrainerCallback  # noqa: E402


class HeadLoss(nn.Module):
    """Cross-entropy of one task."""

    def __init__(self, model: SentenceTransformer, task: Task) -> None:
        super().__init__()
        self.model, self.task = model, task
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(model.get_embedding_dimension(), len(task.labels))

    def forward(self, features: Iterable[dict[str, torch.Tensor]], labels: torch.Tensor) -> Any:
        (inputs,) = features
        found = self.model(inputs)
        if self.task.name == "question":
            logits = self.head(self.dropout(found["sentence_embedding"]))
            targets = labels
        else:
            # The labels are numbers of examples: tags are laid onto the pieces as a loop would.
            examples = [self.task.splits["train"][number] for number in labels.tolist()]
            _, targets = self.task.batch(examples)
            hidden = found["token_embeddings"][:, : targets.shape[1]]
            targets = targets[:, : hidden.shape[1]]
            logits = self.head(self.dropout(hidden))
        loss = nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())
        clock.note(len(labels), int(inputs["attention_mask"].sum()))
        clock.losses(self.task.name, loss)
        return loss


class Predictor(nn.Module):
    """The model with its heads, as `Task.metric` asks it."""

    def forward(self, task: str, inputs: Any) -> torch.Tensor:
        found = model(dict(inputs))
        kind = "sentence_embedding" if task == "question" else "token_embeddings"
        logits: torch.Tensor = losses[task].head(found[kind])
        return logits


class Ticks(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if clock.step():
            control.should_training_stop = True


def as_dataset(task: Task) -> Dataset:
    examples = task.splits["train"]
    texts = [" ".join(example["words"]) for example in examples]
    if task.name == "question":
        labels = [task.labels.index(example["label"]) for example in examples]
    else:
        labels = list(range(len(examples)))
    return Dataset.from_dict({"text": texts, "label": labels})


asked = arguments(__doc__)
clock = Clock(asked.steps, START)
torch.manual_seed(13)
model = SentenceTransformer(str(backbone_folder()), device="cpu")
model.max_seq_length = 128
from transformers import AutoTokenizer  # noqa: E402

tasks = read_tasks(asked.data_root, AutoTokenizer.from_pretrained(backbone_folder()))
losses = {task.name: HeadLoss(model, task) for task in tasks}
with tempfile.TemporaryDirectory() as folder:
    SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            folder,
            num_train_epochs=1,
            per_device_train_batch_size=32,
            learning_rate=1e-4,
            weight_decay=0.01,
            warmup_steps=0.1,
            lr_scheduler_type="linear",
            multi_dataset_batch_sampler="proportional",
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            logging_steps=50,
        ),
        train_dataset={task.name: as_dataset(task) for task in tasks},
        loss=losses,
        callbacks=[Ticks()],
    ).train()
model.eval()
clock.tell({task.name: task.metric(Predictor(), "dev") for task in tasks} if asked.dev else {})
