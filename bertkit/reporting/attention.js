"use strict";
// Draws the lines and the map of the layer, head and part that are chosen. All text goes in as text.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const size = data.tokens.length, ROW = 26, SCALE = 65535;
  const at = (id) => document.getElementById(id);
  const layerBox = at("layer"), headBox = at("head"), partBox = at("part");
  const lines = at("lines"), map = at("map"), said = at("said"), percents = [...document.querySelectorAll(".percent")];
  const queries = [...document.querySelectorAll("#queries button")], keys = [...document.querySelectorAll("#keys li")];
  let pinned = -1, looked = -1, shares = null, seen = null;

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const numbers = (text, Kind) => new Kind(bytes(text).buffer);

  function mean(of) {
    const sum = new Float32Array(size * size);
    of.forEach((values) => values.forEach((value, i) => { sum[i] += value / of.length; }));
    return sum;
  }

  // Of a part of the scores: how far each stands above the mean of its row, as a share of the farthest.
  function above(values) {
    const out = new Float32Array(values.length);
    let most = 1e-9;
    for (let i = 0; i < size; i++) {
      let middle = 0;
      for (let j = 0; j < size; j++) middle += values[i * size + j] / size;
      for (let j = 0; j < size; j++) {
        out[i * size + j] = values[i * size + j] - middle;
        most = Math.max(most, Math.abs(out[i * size + j]));
      }
    }
    return out.map((value) => value / most);
  }

  function choose() {
    const heads = data.layers[layerBox.selectedIndex].heads;
    const chosen = headBox.value === "mean" ? heads : [heads[Number(headBox.value)]];
    const part = partBox ? Number(partBox.value) : -1;
    if (part < 0) shares = mean(chosen.map((head) => Float32Array.from(numbers(head.w, Uint16Array), (v) => v / SCALE)));
    else shares = above(mean(chosen.map((head) => numbers(head.p[part], Float32Array))));
    seen = new Uint8Array(size * size);
    chosen.forEach((head) => {
      const bits = head.a === null ? null : bytes(head.a);
      for (let i = 0; i < size * size; i++) if (bits === null || (bits[i >> 3] >> (7 - (i & 7))) & 1) seen[i] = 1;
    });
    draw();
  }

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  function drawMap() {
    const pen = map.getContext("2d"), cell = Math.max(1, Math.floor(640 / size));
    map.width = map.height = cell * size;
    const [paper, line, blue, orange] = ["paper", "line", "blue", "orange"].map(colour);
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) {
      const value = shares[i * size + j];
      pen.globalAlpha = 1;
      pen.fillStyle = seen[i * size + j] ? paper : line;
      pen.fillRect(j * cell, i * cell, cell, cell);
      if (!seen[i * size + j]) continue;
      pen.globalAlpha = Math.min(1, Math.sqrt(Math.abs(value)));
      pen.fillStyle = value < 0 ? orange : blue;
      pen.fillRect(j * cell, i * cell, cell, cell);
    }
    const row = looked >= 0 ? looked : pinned;
    if (row >= 0) {
      pen.globalAlpha = 1;
      pen.strokeStyle = colour("ink");
      pen.strokeRect(0.5, row * cell + 0.5, size * cell - 1, cell - 1);
    }
  }

  function draw() {
    const row = looked >= 0 ? looked : pinned, least = row >= 0 ? 0.01 : 0.12;
    lines.replaceChildren();
    for (let i = 0; i < size; i++) {
      if (row >= 0 && i !== row) continue;
      for (let j = 0; j < size; j++) {
        const value = shares[i * size + j];
        if (value < least || !seen[i * size + j]) continue;
        const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
        const places = { x1: 0, y1: (i + 0.5) * ROW, x2: 100, y2: (j + 0.5) * ROW };
        for (const [name, place] of Object.entries(places)) line.setAttribute(name, place);
        line.setAttribute("stroke-width", (0.6 + 5 * value).toFixed(2));
        line.setAttribute("stroke-opacity", Math.min(1, 0.25 + value).toFixed(2));
        lines.append(line);
      }
    }
    for (let j = 0; j < size; j++) {
      const value = row >= 0 && seen[row * size + j] ? shares[row * size + j] : 0;
      percents[j].textContent = row >= 0 && Math.abs(value) >= 0.005 ? `${Math.round(value * 100)}` : "";
      keys[j].style.setProperty("--share", `${Math.round(Math.min(1, Math.abs(value)) * 100)}%`);
    }
    queries.forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === pinned));
      button.classList.toggle("row", i === row);
    });
    say(row);
    drawMap();
  }

  function say(row) {
    if (row < 0) {
      said.textContent = "Point at a token on the left, or choose one with the arrow keys and Enter.";
      return;
    }
    const best = [...data.tokens.keys()].sort((a, b) => shares[row * size + b] - shares[row * size + a]).slice(0, 3);
    const isPart = partBox && Number(partBox.value) >= 0;
    const named = best.map((j) => `${data.tokens[j]} ${Math.round(shares[row * size + j] * 100)}${isPart ? "" : " %"}`);
    said.textContent = `${data.tokens[row]} ${isPart ? "by this part prefers" : "attends to"} ${named.join(", ")}`;
  }

  queries.forEach((button, i) => {
    button.addEventListener("mouseenter", () => { looked = i; draw(); });
    button.addEventListener("mouseleave", () => { looked = -1; draw(); });
    button.addEventListener("focus", () => { looked = i; draw(); });
    button.addEventListener("blur", () => { looked = -1; draw(); });
    button.addEventListener("click", () => { pinned = pinned === i ? -1 : i; draw(); });
    button.addEventListener("keydown", (event) => {
      const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: size - 1 }[event.key];
      if (to === undefined || !queries[to]) return;
      event.preventDefault();
      queries[to].focus();
    });
  });
  [layerBox, headBox, partBox].forEach((box) => box && box.addEventListener("change", choose));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMap);
  at("drawn").hidden = false;
  choose();
})();
