// Tables whose rows are sorted by a button in the heading of each column.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const rising = heading.getAttribute("aria-sort") !== "ascending";
    headings.forEach((other) => other.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const value = (row) => {
      const { sort } = row.cells[column].dataset;
      return column === 0 ? sort : sort === "" ? NaN : Number(sort);
    };
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (column === 0) return (rising ? 1 : -1) * x.localeCompare(y, undefined, { numeric: true });
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);  // last
      return rising ? x - y : y - x;
    };
    body.append(...[...body.rows].sort(compare));
  }));
}
