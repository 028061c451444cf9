"""How the source is written: sizes, docstrings, places of one machine, and nothing that loads code."""

import ast
import inspect
import re

import pytest

FILE, FUNCTION = 400, 40  # lines

# Everything that can run what it reads, and the one place that may: its reason stands beside it.
RUNS_CODE = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "dill.load", "dill.loads", "joblib.load", "marshal.load"),
    *("marshal.loads", "shelve.open", "pandas.read_pickle", "pd.read_pickle", "cloudpickle.load", "cloudpickle.loads"),
    *("eval", "exec", "compile", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen"),
    *("tempfile.mktemp",),
}
ALLOWED = {
    ("nagkit/benchmarks/readers.py", "pickle.Unpickler"): "find_class refuses all but a few NumPy constructors",
}


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_files_and_functions_fit_on_a_screen(everything):
    long = [f"{s.path}: {n} lines" for s in everything if (n := len(s.text.splitlines())) > FILE]
    for source in everything:
        sizes = {f.name: f.end_lineno - f.lineno + 1 for f in functions(source.tree)}
        long += [f"{source.path}: {name} has {size} lines" for name, size in sizes.items() if size > FUNCTION]
    assert long == []


def undocumented(function):
    """Names under "Args:" in the docstring of a function that it does not take."""
    text = ast.get_docstring(function) or ""
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", text, re.MULTILINE)
    if not section:
        return set()
    body = inspect.cleandoc("\n" + section[1])
    named = set(re.findall(r"^\*{0,2}(\w+)(?: \(.*\))?:", body, re.MULTILINE))
    a = function.args
    taken = {arg.arg for arg in [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, [a.vararg, a.kwarg])]}
    return named - taken


def test_docstrings_name_only_what_functions_take(everything):
    wrong = [(s.path, f.name, undocumented(f)) for s in everything for f in functions(s.tree) if undocumented(f)]
    assert wrong == []


def test_a_docstring_that_names_something_else_is_noticed():
    (function,) = ast.parse('def f(a, *b):\n    """Does.\n\n    Args:\n        a: one\n        c: two\n    """').body
    assert undocumented(function) == {"c"}


def risks(tree):
    """Calls and base classes in a file that can run code that they read."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            found += [ast.unparse(base) for base in node.bases if ast.unparse(base) in RUNS_CODE]
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            found += [name] if name in RUNS_CODE else []
            found += ["torch.load"] if name == "torch.load" and given.get("weights_only") != "True" else []
            found += ["allow_pickle"] if given.get("allow_pickle", "False") != "False" else []
            found += ["shell"] if given.get("shell", "False") != "False" else []
    return found


def test_nothing_that_is_loaded_can_run(package):
    found = {(source.path, risk) for source in package for risk in risks(source.tree)}
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "line",
    [
        "pickle.load(file)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "subprocess.run(line, shell=True)",
        "eval(text)",
        "class Reader(pickle.Unpickler): ...",
    ],
)
def test_a_way_to_run_what_is_loaded_is_noticed(line):
    assert risks(ast.parse(line))


def test_names_are_imported_so_that_risks_can_be_seen(package):
    """`from pickle import load` would hide what the test above looks for."""
    modules = {name.split(".")[0] for name in RUNS_CODE if "." in name} | {"torch"}
    hidden = {name.split(".")[1] for name in RUNS_CODE if "." in name}
    for source in package:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ImportFrom) and node.module in modules:
                assert hidden.isdisjoint(name.name for name in node.names), source.path


def test_no_path_of_one_machine_is_written_down(checkout, everything):
    private = re.compile(r"(?<![\w.~-])/(?:work|farm|tmp|home|root|Users)/\w")
    others = [
        p for pattern in ("*.md", "*.toml", "*.yml", "*.txt", "Makefile", ".ci/*") for p in checkout.glob(pattern)
    ]
    notebooks = sorted((checkout / "notebooks").rglob("*.ipynb"))
    texts = {s.path: s.text for s in everything} | {str(p): p.read_text("utf-8") for p in [*others, *notebooks]}
    assert [path for path, text in texts.items() if private.search(text)] == []
