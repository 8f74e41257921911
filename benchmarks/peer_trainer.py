"""The same work by the Trainer of `transformers`: one encoder, two heads, batches of one task.

python benchmarks/peer_trainer.py --data-root CORPORA --steps N [--threads N]
"""

from __future__ import annotations

import time

START = time.perf_counter()

import tempfile  # noqa: E402  # the clock starts before the imports, as a user waits for them too
from typing import Any  # noqa: E402

import torch  # noqa: E402
from plain_loop import Model, Task, backbone_folder  # noqa: E402
from same_work import Clock, arguments, read_tasks  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402
from transformers import (  # noqa: E402
    AutoTokenizer,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)


class Batches:
    """Shuffled batches of one task each, as a loader of batches made beforehand."""

    def __init__(self, tasks: list[Task]) -> None:
        self.tasks = tasks
        self.made: list[tuple[Task, list[Any]]] = []
        generator = torch.Generator().manual_seed(13)
        for task in tasks:
            examples = task.splits["train"]
            order = torch.randperm(len(examples), generator=generator).tolist()
            self.made += [
                (task, [examples[n] for n in order[at : at + 32]])
                for at in range(0, len(order), 32)
            ]
        order = torch.randperm(len(self.made), generator=generator).tolist()
        self.made = [self.made[n] for n in order]

    def __len__(self) -> int:
        return len(self.made)

    def __getitem__(self, number: int) -> dict[str, Any]:
        task, examples = self.made[number]
        inputs, targets = task.batch(examples)
        return {"task": task.name, "inputs": inputs, "labels": targets}


class Wrapped(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, task: str, inputs: Any, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.model(task, inputs)
        loss = nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten())
        return {"loss": loss, "logits": logits}


class OneBatch(Trainer):
    def get_train_dataloader(self) -> DataLoader:  # type: ignore[type-arg]
        return DataLoader(self.train_dataset, batch_size=1, collate_fn=lambda one: one[0])

    def compute_loss(
        self, model: nn.Module, inputs: Any, return_outputs: bool = False, **more: Any
    ) -> Any:
        clock.note(len(inputs["labels"]), int(inputs["inputs"]["attention_mask"].sum()))
        outputs = model(**inputs)
        clock.losses(inputs["task"], outputs["loss"])
        return (outputs["loss"], outputs) if return_outputs else outputs["loss"]


class Ticks(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if clock.step():
            control.should_training_stop = True


asked = arguments(__doc__)
clock = Clock(asked.steps, START)
torch.manual_seed(13)
tokenizer = AutoTokenizer.from_pretrained(backbone_folder())
tasks = read_tasks(asked.data_root, tokenizer)
model = Model(backbone_folder(), *(len(task.labels) for task in tasks))
with tempfile.TemporaryDirectory() as folder:
    OneBatch(
        model=Wrapped(model),
        args=TrainingArguments(
            folder,
            num_train_epochs=1,
            learning_rate=1e-4,
            weight_decay=0.01,
            warmup_steps=0.1,
            lr_scheduler_type="linear",
            max_grad_norm=1.0,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            logging_steps=50,
            remove_unused_columns=False,
        ),
        train_dataset=Batches(tasks),  # type: ignore[arg-type]
        callbacks=[Ticks()],
    ).train()
clock.tell({task.name: task.metric(model, "dev") for task in tasks} if asked.dev else {})
