"""The manifest of a bundle: what was written is read, and what was changed or made up is refused by name."""

import hashlib
import json

import pytest
from assay.conformance.bundles.manifest import (
    DATA,
    VALUE,
    BundleError,
    Case,
    Manifest,
    Program,
    Tensor,
    calls_by_rule,
    case_id,
    from_json,
    to_json,
)

A, B, C = (letter * 64 for letter in "abc")


def manifest_of(*, dtype="float32", rules=("L402",)):
    program = Program(
        id=A,
        name="the loss",
        inputs=(Tensor("argument 0", (2,), dtype, DATA),),
        outputs=(Tensor("output 0", (), "float32", VALUE),),
        custom_calls=(),
        own_generator=False,
        cases=(Case(case_id(A, [B]), rules, (B,), (C,), ("",)),),
    )
    return Manifest(
        subject={"name": "tiny", "origin": "", "kind": "loss"},
        seed=0,
        made_with={"jax": "0.10.2"},
        programs=(program,),
        left_out={"L105": "no batch"},
    )


def resealed(change):
    """The JSON of a manifest that someone changed and sealed again."""
    plain = json.loads(to_json(manifest_of()))
    del plain["seal"]
    change(plain)
    plain["seal"] = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    return json.dumps(plain)


def test_manifest_is_read_as_it_was_written():
    assert from_json(to_json(manifest_of()), "manifest.json") == manifest_of()


def test_calls_of_a_rule_come_as_often_as_they_were_made():
    program = manifest_of().programs[0]

    assert calls_by_rule([program, program]) == {"L402": [case_id(A, [B])] * 2}


@pytest.mark.parametrize("text", ["", "[", to_json(manifest_of())[:-30]])
def test_text_that_was_cut_short_is_refused(text):
    with pytest.raises(BundleError, match=r"here\.json is no JSON, or was cut short"):
        from_json(text, "here.json")


def test_edited_manifest_is_refused():
    edited = to_json(manifest_of()).replace('"seed": 0', '"seed": 1')

    with pytest.raises(BundleError, match=r"here\.json was changed after it was written"):
        from_json(edited, "here.json")


def test_other_format_is_refused_with_both_versions():
    with pytest.raises(BundleError, match="has the format 7, and this version reads 1"):
        from_json(resealed(lambda plain: plain.update(format=7)), "here.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p["programs"][0].update(id="../../etc/passwd"), "id of a program must be 64 hexadecimal digits"),
        (lambda p: p["programs"][0]["cases"][0].update(inputs=["/etc/passwd"]), "inputs must be 64 hexadecimal"),
        (lambda p: p["programs"][0]["inputs"][0].update(dtype="object"), "dtype must be one of .*received 'object'"),
        (lambda p: p["programs"][0]["inputs"][0].update(shape=[-1]), "shape must be a whole number"),
        (lambda p: p["programs"][0]["outputs"][0].update(role="data"), "role must be one of state, value"),
        (lambda p: p["programs"][0]["outputs"][0].update(updates=4), "updates must be the number of an input"),
        (lambda p: p["programs"][0]["cases"][0].update(id=C), "id of a case must be the digest of its program"),
        (lambda p: p["programs"][0]["cases"][0].update(outputs=[]), "cases must be .* inputs, outputs and references"),
        (lambda p: p["programs"][0]["cases"][0].update(rules=["rm -rf"]), "rules must be a rule's id"),
        (lambda p: p.pop("programs"), "is no manifest of a bundle: KeyError 'programs'"),
        (lambda p: p.update(subject=3), "is no manifest of a bundle: TypeError"),
    ],
)
def test_what_does_not_fit_is_named(change, said):
    with pytest.raises(BundleError, match=said):
        from_json(resealed(change), "here.json")
