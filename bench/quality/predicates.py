"""Groups of relation types: what different words say of two names, as the annotations of an extraction set call it.

A type belongs to a group when one of its words begins with one of the group's beginnings, in English or German: BUILT_BY and
"gebaut von" are `make`. Words of open predicates are many; a group lists the beginnings that a reader would take for the same
statement, whichever of both names stands first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

BEGINNINGS: Final[Mapping[str, str]] = {
    "accept": "accept receiv took take",
    "advise": "advis consult counsel berät berat",
    "approve": "approv authoris authoriz clear permit genehmig",
    "become": "becom became grew grow evolv turn develop lead led deriv successor succeed wurde",
    "connect": "connect link sail travel run between route operat serv join",
    "credit": "credit acknowledg attribut thank",
    "customer": "customer client buy bought supplie deliver kunde",
    "deliver": "deliver ship install sent send suppl",
    "describe": "describ defin specif document publish report",
    "found": "found establish creat co-found cofound start set gründ laid begin begun",
    "lead": "lead led head manag chief chair direct run command captain mayor ceo president geschäftsführ vorsitz vorstand leit",
    "leave": "leav left quit resign depart exit",
    "license": "licen grant sublicen",
    "locate": "locat base sitz headquarter place situat in at from held built stored near ort stadt",
    "make": "mak made build built construct develop creat design invent produc manufactur assembl engineer implement "
    "project writ wrote work entwickel gebau herstell",
    "merge": "merg combin join becom became part unit",
    "model": "model base follow deriv pattern",
    "order": "order commission buy bought purchas",
    "own": "own acquir buy bought purchas take taken took hold stake belong subsidiar parent übern überna erw gehör kauf possess",
    "part": "part includ contain consist compris belong member component has have within of use",
    "precede": "preced predecess grew grow before successor succeed evolv lead led become became deriv",
    "predict": "predict forecast",
    "present": "present show exhibit display introduc unveil vorgestell stell",
    "provide": "provid suppl offer deliver giv",
    "register": "register incorporat",
    "rename": "renam call known becom became name",
    "replace": "replac substitut exchang",
    "report": "report answer berichte",
    "represent": "represent sign speak act",
    "same": "same known also alias is call abbreviat name identical stand equal short renam aka",
    "sell": "sell sold divest",
    "send": "send sent transmit transfer",
    "show": "show broadcast predict present appear televis",
    "source": "source from describ defin publish specif",
    "study": "stud thesis graduat attend master educat",
    "subcontract": "subcontract contract",
    "supply": "suppl provid deliver sell sold",
    "support": "support financ fund back maint pay paid sponsor help finanz",
    "test": "test",
    "use": "us utiliz utilis run employ rely relies rest base implement equip with power burn control deploy depend "
    "contain technology inspect verwend nutz",
    "work": "work join employ engineer staff at member serv hir arbeit former",
    "write": "writ wrote author publish paper compos cod",
}


def groups(relation_type: str) -> frozenset[str]:
    """Return the groups that a relation type belongs to."""
    words = re.findall(r"[^\W_]+(?:-[^\W_]+)*", relation_type.casefold())
    return frozenset(group for group, beginnings in BEGINNINGS.items() if any(_begins(word, beginnings.split()) for word in words))


def _begins(word: str, beginnings: list[str]) -> bool:
    """Short beginnings are whole words: "in" does not begin "include"."""
    return any(word == beginning if len(beginning) <= 2 else word.startswith(beginning) for beginning in beginnings)
