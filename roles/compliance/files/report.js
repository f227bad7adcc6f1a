/* Copyright (c) 2026, the edgesec.hardening contributors
   SPDX-License-Identifier: GPL-3.0-or-later
*/

"use strict";

// Texts of devices are only ever set as textContent: none of them can become markup.
(() => {
  const PAGE = 100;
  const MARKS = { pass: "\u2713", fail: "\u2717", unknown: "?", not_applicable: "\u2013", waived: "w" };
  const FIELDS = ["Seen", "Reason", "Remedy", "Role", "Severity", "Grade of the evidence", "Waiver"];
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const text = (number) => data.texts[number];
  const earlier = new Map(data.changes.map(([host, control, before]) => [host + "\n" + control, before]));
  const changed = new Set(data.changes.map(([host]) => host));
  const words = (verdict) => verdict.replaceAll("_", " ");

  let hosts = data.hosts;
  let columns = data.controls.map((control, number) => number);
  let first = 0;
  let whole = false;
  let row = 0;
  let column = 0;
  let opener = null;

  const make = (name, content, attributes = {}) => {
    const element = document.createElement(name);
    if (content !== null) element.textContent = content;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const before = (host, control) => earlier.get(host.name + "\n" + control.id);

  function matches(host) {
    const wanted = byId("filter-host").value.trim().toLowerCase();
    if (!host.name.toLowerCase().includes(wanted)) return false;
    const verdict = (name) => columns.some((each) => host.verdicts[each] && text(host.verdicts[each][0]) === name);
    switch (byId("filter-hosts").value) {
      case "not-judged": return host.status !== "judged";
      case "changed": return changed.has(host.name);
      case "fail": return verdict("fail");
      case "unknown": return verdict("unknown");
      default: return true;
    }
  }

  function filter() {
    const priority = byId("filter-priority").value;
    const wanted = byId("filter-control").value.trim().toLowerCase();
    columns = data.controls.flatMap((control, number) =>
      (!priority || control.priority === priority) &&
      (control.id + " " + control.title).toLowerCase().includes(wanted) ? [number] : []);
    hosts = data.hosts.filter(matches);
    first = row = column = 0;
    show();
  }

  function cell(host, number) {
    const found = host.verdicts[number];
    const control = data.controls[number];
    if (!found) return make("td", "", { role: "gridcell", tabindex: "-1", "aria-label": control.id + ": not judged" });
    const verdict = text(found[0]);
    const was = before(host, control);
    const moved = was === undefined ? "" : verdict === "fail" ? "\u25b2" : verdict === "pass" ? "\u25bc" : "~";
    const label = control.id + ": " + words(verdict) + (was === undefined ? "" : ", was " + (words(was) || "not judged"));
    return make("td", (MARKS[verdict] ?? verdict) + moved,
      { role: "gridcell", tabindex: "-1", class: MARKS[verdict] ? verdict : "unknown", "aria-label": label });
  }

  function show() {
    const page = whole ? hosts : hosts.slice(first, first + PAGE);
    const table = make("table", null, { role: "grid", "aria-labelledby": "map-heading", "aria-describedby": "legend",
      "aria-rowcount": hosts.length + 1, "aria-colcount": columns.length + 1 });
    const head = make("tr", null, { role: "row", "aria-rowindex": 1 });
    head.append(make("th", "Host", { scope: "col", role: "columnheader", tabindex: "-1" }));
    for (const number of columns) {
      const control = data.controls[number];
      const heading = make("th", null,
        { scope: "col", role: "columnheader", class: "control", tabindex: "-1", title: control.title });
      heading.append(make("span", control.id));
      head.append(heading);
    }
    table.append(make("thead", null, { role: "rowgroup" }));
    table.tHead.append(head);
    const body = make("tbody", null, { role: "rowgroup" });
    page.forEach((host, place) => {
      const line = make("tr", null, { role: "row", "aria-rowindex": (whole ? 0 : first) + place + 2 });
      const level = host.level ? " (" + host.level + ")" : "";
      line.append(make("th", host.name + level, { scope: "row", role: "rowheader", tabindex: "-1" }));
      if (host.status !== "judged" && columns.length) {
        line.append(make("td", host.status + ": " + host.reason,
          { role: "gridcell", tabindex: "-1", class: "none", colspan: columns.length }));
      } else {
        line.append(...columns.map((number) => cell(host, number)));
      }
      body.append(line);
    });
    table.append(body);
    byId("map").replaceChildren(table);
    table.rows[0].cells[0].tabIndex = 0;
    row = column = 0;
    const last = first + page.length;
    byId("shown").textContent = hosts.length + " of " + data.hosts.length + " hosts and " + columns.length + " of " +
      data.controls.length + " controls match" +
      (hosts.length > page.length ? "; hosts " + (first + 1) + " to " + last + " are shown." : ".");
    byId("pages").hidden = hosts.length <= PAGE;
    byId("previous").disabled = first === 0;
    byId("next").disabled = last >= hosts.length;
  }

  const table = () => byId("map").firstElementChild;
  const shownHost = (line) => hosts[(whole ? 0 : first) + line - 1];

  function go(toRow, toColumn) {
    const rows = table().rows;
    const line = rows[Math.max(0, Math.min(toRow, rows.length - 1))];
    const target = line.cells[Math.max(0, Math.min(toColumn, line.cells.length - 1))];
    table().querySelector('[tabindex="0"]').tabIndex = -1;
    [row, column] = [line.rowIndex, target.cellIndex];
    target.tabIndex = 0;
    target.focus();
  }

  function describe(heading, entries) {
    byId("details-heading").textContent = heading;
    byId("details-list").replaceChildren(...entries.filter(([, value]) => value)
      .flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
    opener = document.activeElement;
    byId("details").showModal();
    byId("details-heading").focus();
  }

  function controlEntries(control) {
    const elsewhere = Object.entries(control.mapping).filter(([, ids]) => ids.length)
      .map(([name, ids]) => words(name) + " " + ids.join(", ")).join("; ");
    return [["Control", control.title], ["Passes", control.expected],
      ["Recommendation of the IoT Lens", control.recommendation + " (" + control.priority + ")"],
      ["Judged by", control.source], ["Other catalogues", elsewhere]];
  }

  function details(line, place) {
    const host = line ? shownHost(line) : null;
    const control = place ? data.controls[columns[place - 1]] : null;
    if (host && (!control || host.status !== "judged")) {
      describe(host.name, [["Status", words(host.status)], ["Reason", host.reason], ["Protection level", host.level],
        ["Why", text(host.why)], ...host.gaps.map((gap) => ["Not covered", text(gap)])]);
    } else if (control && !host) {
      describe(control.id, controlEntries(control));
    } else if (control) {
      const found = host.verdicts[columns[place - 1]];
      const was = before(host, control);
      describe(host.name + ": " + control.id, [["Verdict", found ? words(text(found[0])) : "not judged"],
        ["Before", was === undefined ? "" : words(was) || "not judged"],
        ...FIELDS.map((name, number) => [name, found ? text(found[number + 1]) : ""]), ...controlEntries(control)]);
    }
  }

  byId("map").addEventListener("keydown", (event) => {
    const rows = table().rows.length;
    const moves = { ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1], Home: [event.ctrlKey ? 0 : row, 0], End: [event.ctrlKey ? rows : row, Infinity],
      PageUp: [row - 10, column], PageDown: [row + 10, column] };
    if (moves[event.key]) go(...moves[event.key]);
    else if (event.key === "Enter" || event.key === " ") details(row, column);
    else return;
    event.preventDefault();
  });
  byId("map").addEventListener("click", (event) => {
    const target = event.target.closest("td, th");
    if (!target) return;
    go(target.parentElement.rowIndex, target.cellIndex);
    details(row, column);
  });
  byId("close").addEventListener("click", () => byId("details").close());
  byId("details").addEventListener("close", () => opener?.focus());
  for (const name of ["input", "change"]) byId("filters").addEventListener(name, filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("previous").addEventListener("click", () => { first -= PAGE; show(); });
  byId("next").addEventListener("click", () => { first += PAGE; show(); });
  // On paper there are no further pages to turn to.
  addEventListener("beforeprint", () => { whole = true; show(); });
  addEventListener("afterprint", () => { whole = false; show(); });

  for (const priority of new Set(data.controls.map((control) => control.priority))) {
    byId("filter-priority").append(make("option", priority, { value: priority }));
  }
  for (const id of ["filters", "legend"]) byId(id).hidden = false;
  show();
})();
