"""The names of actions and parameters out of the models of the official SDKs; see hack/published-parameters.

One line for each action: its name, then its parameters as they travel. `.N` marks a list, `Tag.N.Key` a member of a structure
in a list. What travels as JSON in one text is one parameter.
"""

import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import sys
import typing
from pathlib import Path

# File, SDKs of the current generation, SDKs of the old one.
APIS = [
    ("ess-2022-02-22", "alibabacloud-ess20220222", None),
    ("ess-2014-08-28", None, "aliyun-python-sdk-ess"),
    ("ecs-2014-05-26", "alibabacloud-ecs20140526", None),
    ("oos-2019-06-01", "alibabacloud-oos20190601", None),
    ("eci-2018-08-08", "alibabacloud-eci20180808", None),
    ("sts-2015-04-01", "alibabacloud-sts20150401", None),
    ("slb-2014-05-15", "alibabacloud-slb20140515", None),
    ("alb-2020-06-16", "alibabacloud-alb20200616", None),
    ("nlb-2022-04-30", "alibabacloud-nlb20220430", None),
    ("cms-2019-01-01", "alibabacloud-cms20190101", None),
]


def members(model):
    """The paths of the members of a model, without the model's own name."""
    wire = dict(re.findall(r"if self\.(\w+) is not None:\s+result\['([^']+)'\] =", inspect.getsource(model.to_map)))
    wire.update({a: w for w, a in re.findall(r"result\['([^']+)'\] = \[\]\s+if self\.(\w+) is not None", inspect.getsource(model.to_map))})
    hints = typing.get_type_hints(model.__init__, vars(sys.modules[model.__module__]))
    for attribute, name in wire.items():
        yield from paths(name, hints.get(attribute))


def paths(name, kind):
    if typing.get_origin(kind) in (list, typing.List):
        yield from paths(f"{name}.N", typing.get_args(kind)[0])
    elif inspect.isclass(kind) and hasattr(kind, "to_map"):
        yield from (f"{name}.{member}" for member in members(kind))
    else:
        yield name


def current(package):
    """Action -> parameters of an SDK of the current generation."""
    folder = package.replace("-", "_")
    client = importlib.import_module(f"{folder}.client").Client
    models = importlib.import_module(f"{folder}.models")
    found = {}
    for name, method in inspect.getmembers(client, inspect.isfunction):
        if not name.endswith("with_options"):
            continue
        source = inspect.getsource(method)
        action = re.search(r"action ?= ?'(\w+)'", source).group(1)
        sent = set(re.findall(r"(?:query|body|body_flat)\['([^']+)'\]", source))
        request = getattr(models, f"{action}Request", None)
        shrink = getattr(models, f"{action}ShrinkRequest", request)
        parameters = set()
        if request is not None:
            whole, shrunk = set(members(request)), set(members(shrink))
            for path in whole:
                head = path.split(".N")[0]
                # Travels as JSON in one text.
                parameters.add(head if head in shrunk and head != path else path)
        heads = {path.split(".")[0] for path in parameters}
        parameters |= {name for name in sent if name.split(".")[0] not in heads}
        found[action] = parameters
    return found


def old(package):
    """Action -> parameters of an SDK of the old generation."""
    folder = package.replace("aliyun-python-sdk-", "aliyunsdk")
    root = importlib.import_module(f"{folder}.request")
    found = {}
    for module in pkgutil.walk_packages(root.__path__, f"{folder}.request."):
        if not module.name.endswith("Request"):
            continue
        action = module.name.rsplit(".", 1)[1].removesuffix("Request")
        source = Path(module.module_finder.path, module.name.rsplit(".", 1)[1] + ".py").read_text()
        parameters = set()
        for expression in re.findall(r"add_(?:query|body)_param\((.+), ?[^,]+\)$", source, re.M):
            # 'Tag.' + str(depth1 + 1) + '.Key'
            name = re.sub(r"'\s*\+\s*str\([^)]*\)", "N", expression)
            name = re.sub(r"\s*\+\s*'", "", name).strip("'\" ")
            parameters.add(re.sub(r"\.\d+(?=\.|$)", ".N", name))
        found[action] = parameters
    return found


def main(target):
    for file, package, elder in APIS:
        actions = current(package) if package else {}
        sources = [package] if package else []
        if elder:
            sources.append(elder)
            for action, parameters in old(elder).items():
                actions.setdefault(action, set()).update(parameters)
        named = ", ".join(f"{s} {importlib.metadata.version(s)}" for s in sources)
        lines = [f"# {named} (PyPI)"]
        lines += [" ".join([action, *sorted(parameters)]) for action, parameters in sorted(actions.items())]
        (Path(target) / f"{file}.txt").write_text("\n".join(lines) + "\n")


main(sys.argv[1])
