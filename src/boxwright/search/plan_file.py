# SPDX-License-Identifier: Apache-2.0
"""The plan of a study as a file: written by the first worker, read by all others, changed by nobody."""

from __future__ import annotations

import json

from pydantic import ValidationError

from boxwright.errors import UserError
from boxwright.search.sealed import DamagedError, seal, unseal
from boxwright.search.store import Store
from boxwright.search.study import VERSION, StudyPlan
from boxwright.search.study_files import StudyFile


def begin_study(store: Store, plan: StudyPlan) -> StudyPlan:
    """Write the plan down, unless there is one; the one that is there then. Raises UserError."""
    text = json.dumps(plan.model_dump(mode="json"), indent=1)
    written = StudyPlan.model_validate_json(text, strict=True)
    if store.create(StudyFile.PLAN, seal(text.encode())):
        return written
    found = read_plan(store)
    if found is None:
        where = f"{store}/{StudyFile.PLAN}"
        raise UserError(where, "is there and cannot be seen from here yet", "Start again in a minute")
    return found


def read_plan(store: Store) -> StudyPlan | None:
    """The plan of the study; None where none was begun. Raises UserError for one that cannot be used."""
    where = f"{store}/{StudyFile.PLAN}"
    content = store.read(StudyFile.PLAN)
    if content is None:
        return None
    try:
        body = unseal(content)
        version = _version(body)
        if version != VERSION:
            what = f"is in format {version}, and this version of the program knows format {VERSION}"
            raise UserError(where, what, "Go on with the version that began the study, or begin a new one")
        return StudyPlan.model_validate_json(body, strict=True)
    except DamagedError as error:
        raise UserError(where, f"is no plan of a study: it {error}", "Begin a new one in another folder") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(where, f"{key}: {first['msg'].lower()}", "Begin a new study in another folder") from None


def _version(body: bytes) -> int:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise DamagedError("is not JSON") from None
    version = found.get("version") if isinstance(found, dict) else None
    if not isinstance(version, int):
        raise DamagedError("has no version")
    return version
