# SPDX-License-Identifier: Apache-2.0
# The public names for type checkers and editors: __init__.py imports them when they are first asked for.
from boxwright.api import export as export
from boxwright.api import load as load
from boxwright.api import open_data as open_data
from boxwright.api import predict as predict
from boxwright.api import train as train
from boxwright.api import validate as validate
from boxwright.errors import BoxwrightError as BoxwrightError
from boxwright.errors import UserError as UserError
from boxwright.infer.loaded_model import Model as Model
from boxwright.infer.results import ImageDetections as ImageDetections
from boxwright.infer.results import Predictions as Predictions
from boxwright.runs.evaluation.validation_result import ValidationResult as ValidationResult
from boxwright.runs.exporting.export import Exports as Exports
from boxwright.runs.result import TrainResult as TrainResult
from boxwright.structures.detections import Detections as Detections
from boxwright.version import __version__ as __version__
