{#
  One trial at a time: load, show, time, step, submit. Runs in a sandboxed frame of opaque origin:
  no storage, no cookies, nothing read from a canvas.
  Events on a trial's fieldset, for other scripts: "trialready" (painted), "trialleave",
  "trialfit" (its pictures may have another size).
#}
const MINIMUM_VIEW_MS = 500, RETRIES = 3;
const byId = id => document.getElementById(id);
const form = byId("mturk_form"), main = document.querySelector("main");
const trials = [...form.querySelectorAll("fieldset[data-trial-id]")];
const loading = new Map(), paintedAt = new Map(), fields = new Map();
const query = new URLSearchParams(location.search);
const assignmentId = query.get("assignmentId") || "";
const preview = !assignmentId || assignmentId === "ASSIGNMENT_ID_NOT_AVAILABLE";
// As in page.css: "small" has no room for open instructions, "narrow" none for pictures in a row.
const small = matchMedia("(max-width: 700px), (max-height: 499px)");
const narrow = matchMedia("(max-width: 499px), (max-width: 700px) and (min-height: 500px)");
let current = 0, sent = false, hiddenMs = 0, hiddenSince = document.hidden ? 0 : null;

const trial = () => trials[current];
const images = fieldset => [...fieldset.querySelectorAll(".stage img")];
const radios = fieldset => [...fieldset.querySelectorAll("input[type=radio]")];
const answered = fieldset => radios(fieldset).some(radio => radio.checked);
const viewed = fieldset => performance.now() - paintedAt.get(fieldset) >= MINIMUM_VIEW_MS;
const pause = ms => new Promise(done => setTimeout(done, ms));
// The second frame starts once the first is on the screen; neither comes while the tab is hidden.
const painted = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));

function record(name, value) {
  if (!fields.has(name)) {
    const input = Object.assign(document.createElement("input"), { type: "hidden", name });
    fields.set(name, form.appendChild(input));
  }
  fields.get(name).value = value;
}
const recordTrial = (fieldset, field, value) => record(`${fieldset.dataset.trialId}.${field}`, value);

async function loadImage(img) {
  img.loading = "eager";
  for (let attempt = 0; ; attempt++) {
    try {
      return await img.decode();
    } catch (error) {
      if (attempt === RETRIES) throw error;
      await pause(300 * 2 ** attempt);
      img.src = img.src;  // same URL (it may be signed): setting it starts a new request
    }
  }
}

function load(fieldset) {
  if (!loading.has(fieldset)) {
    const all = Promise.all(images(fieldset).map(loadImage));
    all.catch(() => loading.delete(fieldset));  // a later call tries again
    loading.set(fieldset, all);
  }
  return loading.get(fieldset);
}

async function show(index) {
  trial().dispatchEvent(new CustomEvent("trialleave", { bubbles: true }));
  trial().classList.remove("current");
  current = index;
  const shown = trial();
  shown.classList.add("current");
  byId("failure").hidden = true;
  byId("waiting").hidden = shown.classList.contains("ready");
  byId("progress").textContent = `${index + 1} of ${trials.length}`;
  byId("meter").value = index + 1;
  if (index > 0) explain(false);
  fit();
  update();
  try {
    await load(shown);
  } catch {
    if (shown === trial()) {
      byId("waiting").hidden = true;
      byId("failure").hidden = false;
    }
    return;
  }
  if (shown !== trial()) return;
  shown.classList.add("ready");  // all its pictures appear in the same frame
  byId("waiting").hidden = true;
  await painted();
  if (shown !== trial()) return;
  if (!paintedAt.has(shown)) {
    paintedAt.set(shown, performance.now());
    recordTrial(shown, "first_paint_ms", Math.round(performance.now()));
    shown.disabled = false;
    setTimeout(update, MINIMUM_VIEW_MS + 1);
  }
  shown.dispatchEvent(new CustomEvent("trialready", { bubbles: true }));
  if (index + 1 < trials.length) load(trials[index + 1]).catch(() => {});
}

{# On small screens a sheet over the pictures; closed, its first line stays for the first trial. #}
function explain(open) {
  const box = byId("instructions"), peek = !open && small.matches && current === 0;
  box.hidden = !open && !peek;
  box.classList.toggle("peek", peek);
  box.parentElement.classList.toggle("first", current === 0);
  byId("help").setAttribute("aria-expanded", open);
}
const explained = () => byId("help").getAttribute("aria-expanded") === "true";
const closeSheet = () => { if (small.matches && explained()) explain(false); };

function go(index) {
  show(index);
  (trial().querySelector(".stage[tabindex]") || trial().querySelector("legend")).focus({ preventScroll: true });
}

function update() {
  const last = current === trials.length - 1;
  const done = answered(trial()) && viewed(trial());
  byId("back").disabled = current === 0 || sent;
  byId("next").hidden = last;
  byId("next").disabled = !done;
  byId("submitButton").hidden = !last;
  byId("submitButton").disabled = !done || preview || sent;
}

{# Pictures of a trial get one common size: as large as the stage allows, never over 1:1. #}
function fit() {
  const stage = trial().querySelector(".stage"), [first] = images(trial()), count = images(trial()).length;
  const width = +first.getAttribute("width"), height = +first.getAttribute("height");
  const style = getComputedStyle(stage), caption = parseFloat(style.getPropertyValue("--caption"));
  const gaps = parseFloat(style.gap) * (count - 1), room = { w: stage.clientWidth, h: stage.clientHeight };
  // Docked lenses: below the pictures of a row; in a column beside them, under their names.
  const dock = parseFloat(style.getPropertyValue("--dock")) || 0, gap = dock && 8;
  const each = (room.h - gaps) / count, beside = Math.min(dock, each - caption);
  const row = Math.min((room.w - gaps) / count / width, (room.h - caption - dock - gap) / height);
  const column = Math.min((room.w - beside - gap) / width, (each - (dock ? 0 : caption)) / height);
  const stacked = narrow.matches && column > row;
  const scale = Math.max(0, Math.min(1, stacked ? column : row));
  stage.classList.toggle("column", stacked);
  stage.style.setProperty("--w", `${Math.floor(width * scale)}px`);
  stage.style.setProperty("--h", `${Math.floor(height * scale)}px`);
  const spare = Math.min(room.w - gap - width * scale, each - caption);
  stage.style.setProperty("--lens", `${Math.floor(stacked ? Math.max(beside, spare) : Math.min(dock, width * scale))}px`);
  recordTrial(trial(), "fit_scale", scale.toFixed(3));
  stage.dispatchEvent(new CustomEvent("trialfit", { bubbles: true }));
}

function answerKey(key) {
  const values = { a: "left", b: "right", 1: "left", 2: "right", 3: "not_sure" };
  const value = trial().querySelector(".scale") ? (key === "0" ? "10" : key) : values[key];
  return radios(trial()).find(radio => radio.value === value);
}

function onKey(event) {
  if (event.key === "Escape") closeSheet();
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "Enter") {
    if (event.target.closest("button, a")) return;
    event.preventDefault();  // Enter in a radio would submit the form
    const button = byId(current === trials.length - 1 ? "submitButton" : "next");
    if (!button.disabled) button.click();
  } else if (byId("shortcuts").checked && !trial().disabled) {
    const radio = answerKey(event.key.toLowerCase());
    if (radio) radio.click();  // the focus stays: arrow keys go on moving the magnifier
  }
}

function onSubmit(event) {
  if (preview || sent || !trials.every(answered)) {
    event.preventDefault();
    return;
  }
  sent = true;
  record("page.viewport_width", innerWidth);
  record("page.viewport_height", innerHeight);
  record("page.device_pixel_ratio", devicePixelRatio);
  record("page.hidden_ms", Math.round(hiddenMs));
  trial().dispatchEvent(new CustomEvent("trialleave", { bubbles: true }));
  byId("submitButton").textContent = "Sending…";
  update();
}

function onVisibility() {
  if (document.hidden) hiddenSince = performance.now();
  else if (hiddenSince !== null) {
    hiddenMs += performance.now() - hiddenSince;
    hiddenSince = null;
  }
}

function submitTo(text) {
  try {
    const url = new URL(text);
    if (/^https?:$/.test(url.protocol)) return url.origin + url.pathname.replace(/\/+$/, "") + "/mturk/externalSubmit";
  } catch { /* absent or no URL: the form's own action stands */ }
  return form.action;
}

function start() {
  byId("assignmentId").value = assignmentId;
  form.action = submitTo(query.get("turkSubmitTo"));
  form.noValidate = true;  // hidden trials cannot take the browser's messages
  byId("preview").hidden = !preview;
  if (preview) byId("submitButton").textContent = "Accept to submit";
  for (const fieldset of trials) fieldset.disabled = true;  // until its pictures are painted
  form.addEventListener("submit", onSubmit);
  form.addEventListener("change", event => {
    if (event.target.type !== "radio") return;
    recordTrial(trial(), "answered_ms", Math.round(performance.now()));
    update();
  });
  byId("help").addEventListener("click", () => explain(!explained()));
  byId("close").addEventListener("click", event => {
    event.stopPropagation();
    explain(false);
    byId("help").focus();
  });
  byId("instructions").addEventListener("click", event => { if (event.currentTarget.matches(".peek")) explain(true); });
  for (const type of ["pointerdown", "focusin"]) for (const area of [main, byId("back").parentElement]) area.addEventListener(type, closeSheet);
  small.addEventListener("change", () => explain(!small.matches && current === 0));
  // Focus is moved by script after Next: only who uses keys needs to see where it is.
  const modality = event => document.documentElement.classList.toggle("keys-used", event.type === "keydown");
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, modality, true);
  byId("back").addEventListener("click", () => go(current - 1));
  byId("next").addEventListener("click", () => go(current + 1));
  byId("retry").addEventListener("click", () => go(current));
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("pageshow", event => {  // back from a failed submission
    if (event.persisted) { sent = false; byId("submitButton").textContent = "Submit"; update(); }
  });
  new ResizeObserver(fit).observe(main);
  explain(!small.matches);
  if (trials.length) show(0);
}
