import pytest

from commands.yaml_files import check, check_parts, read_mapping

BOMB = "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 9))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{a: " * 3000 + "1" + "}" * 3000, "more than 100 collections are nested"),
        ("[" * 100_000, "more than 100 collections are nested"),
        ("a: {b: 1, c: 2, b: 3}", "the key 'b' is given twice"),
        ("a: 1\n'a': 2", "the key 'a' is given twice"),
        ("a: &a [*a]", "the anchor 'a' contains itself"),
        (f"x0: &x0 [1, 2, 3]\n{BOMB}", "more than 100,000 values"),
    ],
)
def test_yaml_beyond_use_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        check(text)


def test_ordinary_yaml_is_not_refused():
    check("a: &a {k: 1}\nb: {<<: *a, k: 2}\nc: [{a: 1}, {a: 1}, *a, *a]\nd: {k: k, v: k}")
    check("plain")
    check("? [1, 2]\n: 3")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: \xff", "f.yaml is not text in UTF-8 .byte 0xff at 3"),
        ("ä: 1".encode("utf-16"), "f.yaml is not text in UTF-8"),
        (b"a: [", "f.yaml is not readable as YAML: .*line "),
        (b"a: \0", "f.yaml is not readable as YAML"),
        (b"a: 2020-99-99", "f.yaml is not readable as YAML: month must be"),
        (b"a: !!python/object:os.system x", "f.yaml is not readable as YAML"),
        (b"", "f.yaml is empty, expected lines such as 'key: value'"),
        (b"# nothing", "f.yaml is empty"),
        (b"3", "f.yaml is 3, expected"),
        (b"- a", "f.yaml is ..a.., expected"),
    ],
)
def test_file_that_is_no_mapping_is_refused_by_name(tmp_path, content, words):
    (tmp_path / "f.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_mapping(tmp_path / "f.yaml")


def test_missing_file_and_folder_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"f\.yaml: no such file"):
        read_mapping(tmp_path / "f.yaml")
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}: is a folder; give the path"):
        read_mapping(tmp_path)


def test_byte_order_mark_is_not_part_of_the_first_key(tmp_path):
    (tmp_path / "f.yaml").write_text("a: ä", encoding="utf-8-sig")
    assert read_mapping(tmp_path / "f.yaml") == {"a": "ä"}


@pytest.mark.parametrize("value", [7, [1], True, 0.5])
@pytest.mark.parametrize("name", ["data", "trainer"])
def test_section_that_is_none_is_refused_by_name(tmp_path, name, value):
    with pytest.raises(ValueError, match=rf"f\.yaml: '{name}' is .*, expected a section"):
        check_parts(tmp_path / "f.yaml", {name: value})
    check_parts(tmp_path, {name: {}, "model": 3})
