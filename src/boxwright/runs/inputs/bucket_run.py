# SPDX-License-Identifier: Apache-2.0
"""Runs and weights that lie in a bucket, as folders and files here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.origin import BUILT_IN
from boxwright.config.schema.train import TrainSettings
from boxwright.documents import read_yaml
from boxwright.errors import WeightsError
from boxwright.system.buckets.address import Address, is_address, read_address
from boxwright.system.buckets.cache import cached_object
from boxwright.system.buckets.fetched_run import local_or_fetched
from boxwright.system.buckets.manifest import read_manifest
from boxwright.system.buckets.remote import opened, require_client
from boxwright.system.run_folder import RunFile
from boxwright.system.torch_archive.limits import LARGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = (".pt", ".safetensors", ".torchscript", ".onnx")  # what an address of weights ends in that is no run


def with_run_here(
    resolved: Resolved[TrainSettings], tell: Callable[[str], None], *, fetching: bool = True
) -> Resolved[TrainSettings]:
    """The settings with a run to go on from in a folder here, PROJECT/RUN; its mirror goes on where it was.

    Without `fetching` another process has fetched it. Raises BucketError.
    """
    settings = resolved.settings
    if not isinstance(settings.resume, str) or not is_address(settings.resume):
        return resolved
    address = read_address(settings.resume, "--resume")
    if address.name.endswith(".pt"):
        address = address.parent.parent
    target = Path(settings.project, address.name)
    if fetching:
        local_or_fetched(address, target, tell)
    update = {"resume": str(target), "project": TrainSettings.model_fields["project"].default}
    sources = {**resolved.sources, "project": BUILT_IN}
    if not resolved.sources["bucket"].chosen:
        update["bucket"] = _bucket_of(address, target)
        sources["bucket"] = resolved.sources["resume"]
    return replace(resolved, settings=settings.model_copy(update=update), sources=sources)


def _bucket_of(address: Address, folder: Path) -> str:
    """The bucket that the run was begun with, where it is mirrored there; else that of the address."""
    document = read_yaml(folder / RunFile.SETTINGS).value
    settings = document.get("settings") if isinstance(document, dict) else None
    stored = settings.get("bucket") if isinstance(settings, dict) else None
    if isinstance(stored, str) and stored and f"{address}/".startswith(f"{read_address(stored, '--bucket')}/"):
        return stored
    return str(address.parent) if address.scheme == "file" else address.root


def require_bucket(settings: TrainSettings) -> None:
    """Raise SettingError, before anything is read, for a bucket whose address or client cannot be used."""
    if settings.bucket:
        require_client(read_address(settings.bucket, "--bucket"), f"--bucket {settings.bucket}")


def weights_here(name: str) -> str:
    """The file of weights that an address names, or the best one of the run there. Raises BucketError, WeightsError."""
    address = read_address(name, "--weights")
    if address.scheme == "file":
        return str(Path(address.bucket, address.key))
    if not address.name.endswith(FILES):
        found = read_manifest(opened(address))
        names = [] if found is None else sorted(found.files)
        best = Path(RunFile.BEST)
        kinds = [one for one in names if Path(one).parent == best.parent and Path(one).stem.startswith(best.stem)]
        if not kinds:
            raise WeightsError(name, "is no weights file and no run that has a best one", "Give one of both")
        address = address / kinds[0]
    return str(cached_object(opened(address.parent), address.name, LARGEST_BYTES))
