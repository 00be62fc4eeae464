from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftdoctor.job.images import read_image
from tests.versions.build import DLC, PREBUILT


@pytest.mark.parametrize(
    ("uri", "family", "python", "torch"),
    [
        (DLC, "hf-dlc", "3.11", "2.3.1+cu121"),
        (PREBUILT, "google-prebuilt", "3.10", "2.4.0+cu124"),
        (PREBUILT.replace("us-docker", "europe-docker"), "google-prebuilt", "3.10", "2.4.0+cu124"),
        (PREBUILT.replace("gpu", "cpu"), "google-prebuilt", "3.10", "2.4.0+cpu"),
        (
            "us-docker.pkg.dev/deeplearning-platform-release/gcr.io/pytorch-cu121.2-2.py310",
            "google-dlc",
            "3.10",
            "2.2.0+cu121",
        ),
        ("pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel", "pytorch", "3.11", "2.6.0+cu124"),
        (
            "docker.io/pytorch/pytorch:2.3.1-cuda12.1-cudnn8-runtime",
            "pytorch",
            "3.10",
            "2.3.1+cu121",
        ),
        ("pytorch/pytorch:latest", "pytorch", "", None),
        ("ghcr.io/astral-sh/uv:python3.12-bookworm", "uv", "3.12", None),
        ("ghcr.io/astral-sh/uv:debian", "uv", "", None),
        ("python:3.11-slim", "python", "3.11", None),
        ("python:3", "python", "", None),
        ("nvidia/cuda:12.6.3-devel-ubuntu24.04", "cuda", "3.12", None),
        ("nvcr.io/nvidia/pytorch:24.05-py3", "ngc", "", None),
        ("gcr.io/my-project/pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel", "unknown", "", None),
        ("us-central1-docker.pkg.dev/me/repo/python:3.11", "unknown", "", None),
    ],
)
def test_names(uri: str, family: str, python: str, torch: str | None) -> None:
    image = read_image(uri)
    assert (image.family, image.python, image.packages.get("torch")) == (family, python, torch)
    assert image.known is (family != "unknown")
    assert image.known or image.reason


def test_a_table_row_is_found_by_its_exact_tag() -> None:
    image = read_image(DLC)
    assert image.packages["trl"] == "0.13.0"
    assert image.packages["transformers"] == "4.48.0"
    assert "pillow" in image.packages
    assert image.packages["pillow"] is None
    assert "trackio" in image.absent
    other = read_image(DLC.replace("4-48", "4-99"))
    assert other.packages["transformers"] is None
    assert other.packages["torch"] == "2.3.0+cu121"


def test_end_of_support_is_that_of_prebuilt_images_only() -> None:
    assert read_image(PREBUILT).ended == "2026-07-24"
    assert not read_image("pytorch/pytorch:2.4.0-cuda12.4-cudnn9-devel").ended


@given(st.text(max_size=80))
def test_any_text_is_an_image_name(text: str) -> None:
    assert read_image(text).name == text
