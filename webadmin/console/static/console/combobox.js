// Names offered while one types: <div data-combobox data-url data-collection><input role="combobox"><ul role="listbox"></ul></div>.
// Says "chosen" with the entity. Works for parts of the page that arrive later too.
"use strict";
(() => {
  const WAIT_MS = 180;
  let asked = 0;

  const close = (box) => {
    const input = box.querySelector("[role=combobox]");
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    box.querySelector("[role=listbox]").hidden = true;
  };
  const choose = (box, option) => {
    const input = box.querySelector("[role=combobox]");
    input.value = option.dataset.name;
    close(box);
    const detail = { id: option.dataset.id, name: option.dataset.name };
    const field = box.querySelector("input[type=hidden]");
    if (field) field.value = detail.id;
    box.dispatchEvent(new CustomEvent("chosen", { bubbles: true, detail }));
  };
  const offer = (box, found) => {
    const input = box.querySelector("[role=combobox]");
    const list = box.querySelector("[role=listbox]");
    list.replaceChildren(...(found.names || []).map((name, number) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${number}`;
      option.setAttribute("role", "option");
      option.dataset.id = name.id;
      option.dataset.name = name.name;
      const said = document.createElement("bdi");
      said.textContent = name.name;
      const kind = document.createElement("span");
      kind.className = "quiet small";
      kind.textContent = name.alias ? `${name.alias} · ${name.type}` : name.type;
      option.append(said, kind);
      return option;
    }));
    if (!list.children.length) {
      const empty = document.createElement("li");
      empty.className = "quiet";
      empty.textContent = found.error || box.dataset.empty;
      list.append(empty);
    }
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  };
  const ask = (box) => {
    const text = box.querySelector("[role=combobox]").value.trim();
    const mine = ++asked;
    const field = box.querySelector("input[type=hidden]");
    if (field) field.value = "";
    if (!text) { close(box); return; }
    window.setTimeout(async () => {
      if (mine !== asked) return;
      const found = await window.aegisPicture.read(`${box.dataset.url}?${new URLSearchParams({ collection: box.dataset.collection, q: text })}`);
      if (mine === asked) offer(box, found);
    }, WAIT_MS);
  };
  const walk = (box, step) => {
    const input = box.querySelector("[role=combobox]");
    const options = [...box.querySelectorAll("[role=option]")];
    if (!options.length) return;
    const at = options.findIndex((option) => option.id === input.getAttribute("aria-activedescendant"));
    const next = options[(at + step + options.length) % options.length];
    options.forEach((option) => option.setAttribute("aria-selected", String(option === next)));
    input.setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  };

  document.addEventListener("input", (event) => {
    const box = event.target.closest?.("[data-combobox]");
    if (box && event.target.matches("[role=combobox]")) ask(box);
  });
  document.addEventListener("keydown", (event) => {
    const box = event.target.closest?.("[data-combobox]");
    if (!box || !event.target.matches("[role=combobox]")) return;
    const open = event.target.getAttribute("aria-expanded") === "true";
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (open) walk(box, event.key === "ArrowDown" ? 1 : event.target.hasAttribute("aria-activedescendant") ? -1 : 0);
      else ask(box);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      close(box);
    } else if (event.key === "Enter" && open) {
      event.preventDefault();
      const at = document.getElementById(event.target.getAttribute("aria-activedescendant")) || box.querySelector("[role=option]");
      if (at) choose(box, at);
    }
  });
  document.addEventListener("mousedown", (event) => {
    const option = event.target.closest?.("[data-combobox] [role=option]");
    if (option) { event.preventDefault(); choose(option.closest("[data-combobox]"), option); return; }
    document.querySelectorAll("[data-combobox]").forEach((box) => { if (!box.contains(event.target)) close(box); });
  });
  document.addEventListener("focusout", (event) => {
    const box = event.target.closest?.("[data-combobox]");
    if (box && !box.contains(event.relatedTarget)) close(box);
  });
})();
