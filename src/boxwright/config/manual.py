# SPDX-License-Identifier: Apache-2.0
"""What every verb is for, in the words that its --help begins with, and a command line to start from."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

WIDTH = 88


class Entry(NamedTuple):
    """A few sentences, and the words after `boxwright` of an example."""

    about: str
    example: str


MANUAL: dict[str, Entry] = {
    "demo": Entry(
        "Draws a set of pictures, trains a small detector on them from scratch and shows what it sees beside what is "
        "there. Takes minutes and needs "
        "nothing else. Every flag of a training works here too. Writes runs/demo/exp.",
        "demo --epochs 12",
    ),
    "train": Entry(
        "Trains a detector: from scratch, from weights, or on from where a run stopped. Writes a folder below "
        "runs/train with weights/best.pt, "
        "weights/last.pt, results.csv, pictures and report.html; its path is the last line printed.",
        "train --data yours.yaml --cfg yolov5s --imgsz 640 --batch 16 --epochs 100",
    ),
    "evolve": Entry(
        "Trains many times to find better hyperparameters, on one worker or many, and says whether the best are really "
        "better than yours. The study is a folder below runs/evolve: the same command goes on after whatever ended it, "
        "or joins in from another machine. Every flag of a training works here too.",
        "evolve --data yours.yaml --cfg yolov5n --epochs 27 --method search --budget 12h",
    ),
    "val": Entry(
        "Measures a run or a weights file on a split: precision, recall and AP by this family's rule and by COCO's, "
        "for every class. Of a run it repeats "
        "the numbers that were logged. Writes a folder below runs/val.",
        "val runs/train/exp --task test",
    ),
    "predict": Entry(
        "Finds objects in files, folders, patterns, videos, cameras and streams. Writes pictures with boxes into a "
        "folder below runs/detect, and text, tables, JSON and cut-out objects when asked.",
        "predict runs/train/exp --source some/images --save-txt",
    ),
    "report": Entry(
        "Makes the page of a run again, from a validation of its best weights; of several runs it makes one page that "
        "shows them beside each other.",
        "report runs/train/exp runs/train/exp2",
    ),
    "errors": Entry(
        "Names every object as found, of a wrong class, badly placed, found twice or missed, and every detection where "
        "nothing is. Lists labels that may be "
        "wrong apart, and files for relabelling.",
        "errors runs/train/exp",
    ),
    "compare": Entry(
        "Says whether one run is better than another on the same images: the difference, the range that chance alone "
        "explains, each class, and the settings "
        "that differ.",
        "compare runs/train/exp runs/train/exp2",
    ),
    "export": Entry(
        "Writes a trained network for other programs, and compares its answers with those of the network before it "
        "says that it is done.",
        "export runs/train/exp --format onnx",
    ),
    "data check": Entry(
        "Names every fault of a data set with file and line, what a training would do about it, and how to mend it. "
        "Changes nothing; exits above 0 by policy, "
        "so that it can guard a pipeline.",
        "data check yours.yaml --strict",
    ),
    "data report": Entry(
        "Shows what is in a data set: classes, sizes, places, duplicates, pictures in several splits, how anchors fit; "
        "what stands out, and what to do about "
        "it. Writes one page that needs no network, and JSON.",
        "data report yours.yaml",
    ),
    "data preview": Entry(
        "Draws training samples as the trainer will see them, the same pixels, with their boxes and how they were "
        "made. Every flag of a training works here.",
        "data preview yours.yaml",
    ),
    "data convert": Entry(
        "Writes the same data in another format into a folder of its own: label files, COCO JSON or Pascal VOC. The "
        "original stays as it is.",
        "data convert yours.yaml --to coco --out elsewhere",
    ),
    "data split": Entry(
        "Divides images into training, validation and test, with the classes spread evenly. Writes lists of files; no "
        "image is moved.",
        "data split some/images --out lists",
    ),
    "data fetch": Entry(
        "Fetches the archive that a YAML names under `download:` over https, checks its hash and unpacks its pictures "
        "and labels below the YAML's folder,"
        " or into the folder that --to names. Streams and buckets that you name apart, nothing else uses the network.",
        "data fetch yours.yaml",
    ),
    "data sample": Entry(
        "Draws the sample set: pictures of eight kinds of things with exact labels, for trying things out.",
        "data sample --out shapes",
    ),
    "model list": Entry("Lists the packaged networks with their sizes.", "model list"),
    "model info": Entry(
        "Shows one network row by row: parameters, work, memory, and when asked the time each row takes. A packaged "
        "name, a YAML or a weights file.",
        "model info yolov5n",
    ),
    "model draw": Entry("Draws the rows of a network and what feeds what, as one picture.", "model draw yolov5n"),
    "model check": Entry(
        "Says whether a network description is sound, and in which row it is not.", "model check yolov5n"
    ),
    "anchors": Entry(
        "Measures how anchors fit the boxes of a data set, and finds others that would fit better. A training does the "
        "same by itself.",
        "anchors --data yours.yaml --imgsz 640",
    ),
    "watch": Entry(
        "Follows a run from another shell, on this machine or over a shared folder: the table of its console, and how "
        "much time is left. Ends with the run, and says how that ended. Only reads.",
        "watch runs/train/exp",
    ),
    "replay": Entry(
        "Rebuilds the tables, the TensorBoard file and the page of a run from its event log.", "replay runs/train/exp"
    ),
    "bucket sync": Entry(
        "Brings a run folder and its mirror in a bucket together: sends what is missing there, and verifies it. "
        "Finishes what a training could not send.",
        "bucket sync runs/train/exp",
    ),
    "weights inspect": Entry(
        "Says what a weights file of any kind holds, or why it is refused. It is read as data: nothing in it is run.",
        "weights inspect old.pt",
    ),
    "weights convert": Entry(
        "Writes a weights file in another form: boxwright, safetensors or yolov5.",
        "weights convert old.pt --to safetensors",
    ),
    "weights strip": Entry(
        "Leaves out of a weights file what only training needs.", "weights strip runs/train/exp/weights/last.pt"
    ),
    "weights diff": Entry(
        "Says what differs between two weights files: settings, shapes, values.", "weights diff one.pt other.pt"
    ),
    "weights average": Entry(
        "Writes the mean of several weights of one network.", "weights average one.pt other.pt --out mean.pt"
    ),
    "recipes": Entry(
        "The five trainers of this family as tables: lists them, shows one, or what differs between two.",
        "recipes 7.0 --diff 2020.7",
    ),
    "schedule": Entry(
        "Shows learning rates, momentum, accumulation and averaging of a planned training, step by step, without "
        "starting it.",
        "schedule --recipe 6.2 --epochs 10 --batches-per-epoch 50",
    ),
    "config show": Entry(
        "Shows every setting with its value and where that was written. Takes the words of a training.",
        "config show --hyp small-data",
    ),
    "config explain": Entry(
        "Says what one setting does, what it takes, how it is written and what it would be.", "config explain mosaic"
    ),
}


def description(verb: str) -> str:
    """What stands between usage and flags."""
    entry = MANUAL[verb]
    return f"{textwrap.fill(entry.about, WIDTH)}\n\n  boxwright {entry.example}"
