{#
  One trial at a time: load, show, time, step, submit. Runs in a sandboxed frame of opaque origin:
  no storage, no cookies, nothing read from a canvas.
  Events on a trial's fieldset, for other scripts: "trialready" (painted), "trialleave".
#}
const MINIMUM_VIEW_MS = 500, RETRIES = 3;
const byId = id => document.getElementById(id);
const form = byId("mturk_form"), main = document.querySelector("main");
const trials = [...form.querySelectorAll("fieldset[data-trial-id]")];
const loading = new Map(), paintedAt = new Map(), fields = new Map();
const query = new URLSearchParams(location.search);
const assignmentId = query.get("assignmentId") || "";
const preview = !assignmentId || assignmentId === "ASSIGNMENT_ID_NOT_AVAILABLE";
const narrow = matchMedia("(max-width: 700px)");
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

function explain(open) {
  byId("instructions").hidden = !open;
  byId("help").setAttribute("aria-expanded", open);
}

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
  const dock = parseFloat(style.getPropertyValue("--dock")) || 0;
  const gaps = parseFloat(style.gap) * (count - 1), room = { w: stage.clientWidth, h: stage.clientHeight };
  const row = Math.min((room.w - gaps) / count / width, (room.h - caption - dock) / height);
  const column = Math.min((room.w - dock) / width, ((room.h - gaps) / count - (dock ? 0 : caption)) / height);
  const stacked = narrow.matches && column > row;
  const scale = Math.max(0, Math.min(1, stacked ? column : row));
  stage.classList.toggle("column", stacked);
  stage.style.setProperty("--w", `${Math.floor(width * scale)}px`);
  stage.style.setProperty("--h", `${Math.floor(height * scale)}px`);
  recordTrial(trial(), "fit_scale", scale.toFixed(3));
}

function answerKey(key) {
  const values = { a: "left", b: "right", 1: "left", 2: "right", 3: "not_sure" };
  const value = trial().querySelector(".scale") ? (key === "0" ? "10" : key) : values[key];
  return radios(trial()).find(radio => radio.value === value);
}

function onKey(event) {
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
  byId("help").addEventListener("click", () => explain(byId("instructions").hidden));
  byId("back").addEventListener("click", () => go(current - 1));
  byId("next").addEventListener("click", () => go(current + 1));
  byId("retry").addEventListener("click", () => go(current));
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("pageshow", event => {  // back from a failed submission
    if (event.persisted) { sent = false; byId("submitButton").textContent = "Submit"; update(); }
  });
  new ResizeObserver(fit).observe(main);
  if (trials.length) show(0);
}
