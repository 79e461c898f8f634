// Keeps progress bars moving: one document on its page, the moving rows on the list. Texts go in as text, never as markup.
"use strict";
(() => {
  const EVERY_MS = 1500;
  const MOVING = new Set(["pending", "queued", "running", "removing"]);

  const put = (root, field, text) => {
    const element = root.querySelector(`[data-field="${field}"]`);
    if (element && element.textContent !== String(text)) element.textContent = text;
  };
  const show = (element, state) => {
    element.textContent = state;
    element.className = `state state-${state}`;
  };
  const read = async (url) => {
    const reply = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    return reply.ok ? reply.json() : null;
  };
  const repeat = (step) => {
    const next = () => window.setTimeout(async () => {
      let on = true;
      if (!document.hidden) {
        try { on = await step(); } catch { on = true; }
      }
      if (on) next();
    }, EVERY_MS);
    next();
  };

  const page = document.querySelector("[data-progress-url]");
  if (page && MOVING.has(page.dataset.state)) {
    repeat(async () => {
      const now = await read(page.dataset.progressUrl);
      if (!now) return true;
      page.querySelector('[data-field="fraction"]').value = now.fraction;
      put(page, "percent", `${Math.floor(now.fraction * 100)} %`);
      put(page, "eta", now.eta_seconds === null ? "" : `about ${Math.ceil(now.eta_seconds)} s to go`);
      show(page.querySelector('[data-field="state"]'), now.state);
      for (const [stage, counts] of Object.entries(now.stages)) {
        const row = page.querySelector(`[data-stage="${stage}"]`);
        if (row) for (const field of ["done", "total", "in_flight", "failed"]) put(row, field, counts[field]);
      }
      if (MOVING.has(now.state)) return true;
      window.location.reload();
      return false;
    });
  }

  const list = document.querySelector("[data-states-url]");
  if (list) {
    repeat(async () => {
      const bars = [...list.querySelectorAll("[data-document]")].filter((bar) => MOVING.has(bar.dataset.state));
      if (!bars.length) return false;
      const query = new URLSearchParams(bars.map((bar) => ["id", bar.dataset.document]));
      const now = await read(`${list.dataset.statesUrl}?${query}`);
      if (!now) return true;
      for (const row of now.documents) {
        const bar = list.querySelector(`[data-document="${row.id}"]`);
        if (!bar) continue;
        bar.dataset.state = row.state;
        bar.value = row.fraction;
        const line = bar.closest("tr");
        show(line.querySelector(".state"), row.state);
        const message = line.querySelector(".field-message_shown");
        if (message) message.textContent = row.message;
      }
      return true;
    });
  }
})();
