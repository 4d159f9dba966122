"""Orders of a small household shop as tools with state: `swiftagent eval --state datasets/state_shop.yaml`.

`reset` and `snapshot` set and read the state of a task; a model is offered the other functions alone.
"""

from __future__ import annotations

from typing import Any

_STATE: dict[str, Any] = {}


def reset(state: dict[str, Any]) -> None:
    """Begin with this state: products and orders."""
    _STATE.clear()
    _STATE.update(state)


def snapshot() -> dict[str, Any]:
    """The state as it is now."""
    return _STATE


def find_products(words: str) -> list[dict[str, Any]]:
    """Find products by a word of their name.

    Args:
        words: a part of the product's name
    """
    wanted = words.casefold()
    return [
        {"product": name, **product}
        for name, product in _STATE["products"].items()
        if wanted in product["name"].casefold()
    ]


def get_order(order: str) -> dict[str, Any]:
    """Show one order: its items, address, total and status.

    Args:
        order: the number of the order, such as O1
    """
    return dict(_known(order, "orders"))


def place_order(product: str, quantity: int, address: str) -> dict[str, Any]:
    """Order a product, to be sent to an address.

    Args:
        product: the number of the product, such as P1
        quantity: how many pieces
        address: where it is sent
    """
    found = _known(product, "products")
    if quantity < 1 or quantity > found["stock"]:
        raise ValueError(f"{found['stock']} of {product} are in stock, {quantity} cannot be ordered")
    found["stock"] -= quantity
    name = f"O{len(_STATE['orders']) + 1}"
    _STATE["orders"][name] = {
        "items": {product: quantity},
        "address": address,
        "total": quantity * found["price"],
        "status": "open",
    }
    return {"order": name, **_STATE["orders"][name]}


def cancel_order(order: str) -> dict[str, Any]:
    """Cancel an order that has not been shipped; its items go back to the shelf.

    Args:
        order: the number of the order, such as O1
    """
    found = _open(order)
    found["status"] = "cancelled"
    for product, quantity in found["items"].items():
        _STATE["products"][product]["stock"] += quantity
    return {"order": order, "status": "cancelled", "refund": found["total"]}


def change_address(order: str, address: str) -> dict[str, Any]:
    """Send an order that has not been shipped to another address.

    Args:
        order: the number of the order, such as O1
        address: where it is sent
    """
    found = _open(order)
    found["address"] = address
    return {"order": order, **found}


def _open(order: str) -> Any:
    found = _known(order, "orders")
    if found["status"] != "open":
        raise ValueError(f"{order} is {found['status']} and cannot be changed")
    return found


def _known(name: str, kind: str) -> Any:
    if name not in _STATE[kind]:
        raise ValueError(f"there is no {name} among the {kind}; they are {', '.join(_STATE[kind])}")
    return _STATE[kind][name]
