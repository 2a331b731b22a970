"""Parts of a plan: shared by jobs, and refused where the plan is another."""

import pytest

from codec_ssl.data.parts import PartFolder
from codec_ssl.errors import ConfigError, DataError

UTTS = [f"u{n:02d}" for n in range(11)]


def folder(path, utt_ids=UTTS, size=4, **plan):
    names = {"name": "plan.json", "suffix": ".txt", "stage": "make"}
    return PartFolder(path, utt_ids, plan, size, **names)


def test_jobs_share_all_parts_and_every_utterance_is_in_one(tmp_path):
    made = folder(tmp_path)
    shared = [part for job in (1, 2) for part in made.pending(job, 2)]
    assert sorted(shared) == [0, 1, 2] == made.pending()
    assert [utt for part in range(3) for utt in made.members(part)] == UTTS
    assert made.pending(7, 7) == []


def test_what_is_there_is_not_pending_and_what_is_missing_is_named(tmp_path):
    made = folder(tmp_path)
    made.file(1).write_text("x")
    assert made.pending() == [0, 2]
    with pytest.raises(DataError, match=r"found 2 missing, the first part-00000\.txt.*'make'"):
        made.complete()
    for part in (0, 2):
        made.file(part).write_text("x")
    assert folder(tmp_path).complete() == [made.file(part) for part in range(3)]


@pytest.mark.parametrize("other", [{"utt_ids": UTTS[1:]}, {"size": 5}, {"seed": 2}])
def test_another_plan_is_refused(tmp_path, other):
    folder(tmp_path, seed=1)
    with pytest.raises(DataError, match=r"found another plan\.json"):
        folder(tmp_path, **{"seed": 1, **other})


@pytest.mark.parametrize("job", [0, 3])
def test_there_is_no_such_job(tmp_path, job):
    with pytest.raises(ConfigError, match="expected a job from 1 to 2"):
        folder(tmp_path).pending(job, 2)
