"""The fire alarm as plain Python functions: `swiftagent infer --react --tools datasets/fire_alarm_tools.py`.

fire_recognition looks at the pixels of a real picture, in the current folder or in `images/` beside this file. The
other three stand for the building's own systems; they do nothing but answer.
"""

from __future__ import annotations

from pathlib import Path

_IMAGES = Path(__file__).resolve().parent / "images"
_BURNING_SHARE = 0.02


def fire_recognition(image: str) -> dict[str, object]:
    """Recognise fire in an image.

    Args:
        image: image file
    """
    path = next((path for path in (Path(image), _IMAGES / image, _IMAGES / Path(image).name) if path.is_file()), None)
    if path is None:
        return {"error": f"no image {image}"}

    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            place = str(picture.info.get("Location", "the building"))
            pixels = picture.convert("RGB").resize((64, 48)).tobytes()
    except (UnidentifiedImageError, OSError):
        return {"error": f"no image {image}"}
    flames = sum(
        red > 200 and 70 < green < 200 and blue < 90
        for red, green, blue in zip(pixels[::3], pixels[1::3], pixels[2::3], strict=True)
    )
    return {"fire": flames * 3 > len(pixels) * _BURNING_SHARE, "place": place}


def fire_alert(place: str) -> dict[str, object]:
    """Sound the fire alarm.

    Args:
        place: where
    """
    return {"alarm": "on"}


def call_fireman(place: str) -> dict[str, object]:
    """Call the fire brigade.

    Args:
        place: where
    """
    return {"minutes": 4 + len(place) % 9}


def call_police(place: str) -> dict[str, object]:
    """Call the police.

    Args:
        place: where
    """
    return {"minutes": 5 + len(place) % 7}
