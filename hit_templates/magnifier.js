{#
  One magnifier over all pictures of a trial: a lens per picture, every lens at the same normalised
  position, all drawn in the same animation frame. Pixels are the picture's own (nearest
  neighbour, a whole number of device pixels each). On narrow screens the lenses have places of
  their own beside the pictures, so that no finger is over them.
  out:  "<trial id>.magnifier_ms": how long lenses were on, hidden tabs not counted
#}
const ZOOMS = [1, 2, 4, 8], LENS_PX = 240, FINGER_PX = 36;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const lens = {
  stage: null,      // the pictures it works on: those of the trial shown
  views: [],        // per picture: {img, canvas, mark}
  on: false, enabled: true, dismissed: false,
  source: "mouse",  // or "touch", "keys": what moved it last
  u: .5, v: .5,     // where: 0..1 of width and height
  zoom: null,       // device pixels per image pixel; null until the trial's sizes are known
  chosen: false,    // the zoom is the rater's own, no longer the start's
  since: null, frame: 0,
};
const lensTimes = new Map();

function attach(fieldset) {
  lens.stage = fieldset.querySelector(".stage");
  lens.views = images(fieldset).map(img => {
    const canvas = document.createElement("canvas"), mark = document.createElement("i");
    canvas.className = "lens";
    mark.className = "mark";
    canvas.setAttribute("aria-hidden", "true");
    img.parentElement.append(canvas, mark);
    return { img, canvas, mark };
  });
  rezoom();
}

function detach() {
  hide();
  for (const { canvas, mark } of lens.views) { canvas.remove(); mark.remove(); }
  Object.assign(lens, { stage: null, views: [], u: .5, v: .5 });
}

{# Device pixels per image pixel in the picture beside the lens. #}
function shown() {
  const { img } = lens.views[0];
  return img.clientWidth * devicePixelRatio / img.naturalWidth;
}

{# No lens makes a picture smaller than it already is. #}
function zooms() {
  const possible = ZOOMS.filter(zoom => zoom > .95 * shown());
  return possible.length ? possible : ZOOMS.slice(-1);
}

{#
  Until the rater chooses, the first zoom that magnifies at least twice, kept from trial to trial
  while it still magnifies visibly: pictures change their size with the window.
#}
function rezoom() {
  if (!lens.stage) return;
  const times = lens.zoom / shown();
  if (lens.chosen) lens.zoom = Math.max(lens.zoom, zooms()[0]);
  else if (times < 1.8 || times > 5) lens.zoom = ZOOMS.find(zoom => zoom >= 1.95 * shown()) || ZOOMS.at(-1);
  showZoom();
  redraw();
}

function move(u, v, source) {
  if (!lens.stage || !lens.enabled) return;
  Object.assign(lens, { u: clamp(u, 0, 1), v: clamp(v, 0, 1), source });
  if (!lens.on) {
    lens.on = true;
    form.classList.add("used");
    lens.stage.classList.add("lensing");
    runClock();
  }
  redraw();
}

function hide() {
  if (!lens.on) return;
  lens.on = false;
  lens.stage.classList.remove("lensing");
  runClock();
}

{# Adds the time since the last call, if the lenses were on, to the trial's. #}
function runClock() {
  const now = performance.now(), fieldset = lens.stage.closest("fieldset");
  if (lens.since !== null) {
    lensTimes.set(fieldset, (lensTimes.get(fieldset) || 0) + now - lens.since);
    recordTrial(fieldset, "magnifier_ms", Math.round(lensTimes.get(fieldset)));
  }
  lens.since = lens.on && !document.hidden ? now : null;
}

function redraw() {
  if (!lens.frame) lens.frame = requestAnimationFrame(draw);
}

function draw() {
  lens.frame = 0;
  if (!lens.on) return;
  const place = geometry();
  for (const view of lens.views) drawLens(view, place);
}

{#
  Worked out once for all pictures, in the original's pixels. The window (x, y, w, h) is kept
  inside the picture; its size is a whole number of image pixels, so each is exactly zoom device
  pixels wide. (cx, cy) is the place pointed at, in device pixels of the lens.
#}
function geometry() {
  const { img } = lens.views.find(view => view.img.alt === "Original") || lens.views[0];
  const { naturalWidth: width, naturalHeight: height, clientWidth, clientHeight } = img;
  const ratio = devicePixelRatio, zoom = lens.zoom, docked = narrow.matches;
  const side = docked ? parseFloat(lens.stage.style.getPropertyValue("--lens")) : Math.min(LENS_PX, .8 * clientWidth, .8 * clientHeight);
  const pixels = Math.max(8, Math.floor(side * ratio / 8) * 8);  // a multiple of every zoom
  const w = Math.min(pixels / zoom, width), h = Math.min(pixels / zoom, height);
  const x = clamp(Math.round(lens.u * width - w / 2), 0, width - w);
  const y = clamp(Math.round(lens.v * height - h / 2), 0, height - h);
  return {
    width, height, x, y, w, h, docked, ratio, deviceWidth: w * zoom, deviceHeight: h * zoom,
    cx: (lens.u * width - x) * zoom, cy: (lens.v * height - y) * zoom,
  };
}

function drawLens({ img, canvas, mark }, at) {
  const { deviceWidth, deviceHeight, ratio } = at;
  if (canvas.width !== deviceWidth) canvas.width = deviceWidth;
  if (canvas.height !== deviceHeight) canvas.height = deviceHeight;
  const cssWidth = deviceWidth / ratio, cssHeight = deviceHeight / ratio;
  canvas.style.width = `${cssWidth}px`;
  canvas.style.height = `${cssHeight}px`;
  const figure = img.parentElement.getBoundingClientRect(), box = img.getBoundingClientRect();
  const [left, top] = [box.left - figure.left, box.top - figure.top];
  if (at.docked) {
    canvas.style.left = canvas.style.top = "";
  } else {
    const above = lens.source === "touch" ? cssHeight / 2 + FINGER_PX : 0;
    const lensLeft = left + clamp(lens.u * box.width - cssWidth / 2, 0, box.width - cssWidth);
    const lensTop = top + clamp(lens.v * box.height - cssHeight / 2 - above, 0, box.height - cssHeight);
    // On whole device pixels: between them the browser would blur the lens.
    const snap = (offset, origin) => `${Math.round((origin + offset) * ratio) / ratio - origin}px`;
    canvas.style.left = snap(lensLeft, figure.left);
    canvas.style.top = snap(lensTop, figure.top);
  }
  Object.assign(mark.style, {
    left: `${left + at.x / at.width * box.width}px`, width: `${at.w / at.width * box.width}px`,
    top: `${top + at.y / at.height * box.height}px`, height: `${at.h / at.height * box.height}px`,
  });
  // A picture of another size shows the same part of itself.
  const kx = img.naturalWidth / at.width, ky = img.naturalHeight / at.height;
  const context = canvas.getContext("2d", { alpha: false });
  context.imageSmoothingEnabled = false;
  context.drawImage(img, at.x * kx, at.y * ky, at.w * kx, at.h * ky, 0, 0, deviceWidth, deviceHeight);
  drawCrosshair(context, at);
}

{# Four ticks around the place pointed at, which itself stays free; dark and light, to show on anything. #}
function drawCrosshair(context, { cx, cy, ratio }) {
  const [x, y] = [Math.floor(cx) + .5, Math.floor(cy) + .5], inner = 8 * ratio, outer = 16 * ratio;
  for (const [colour, width] of [["#000", 3 * ratio], ["#fff", ratio]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + dx * inner, y + dy * inner);
      context.lineTo(x + dx * outer, y + dy * outer);
    }
    context.stroke();
  }
}

function setZoom(step) {
  if (!lens.stage) return;
  const steps = zooms();
  lens.zoom = steps[clamp(steps.indexOf(lens.zoom) + step, 0, steps.length - 1)];
  lens.chosen = true;
  showZoom();
  redraw();
}

{# In words of what is seen: how much larger than in the picture. #}
function showZoom() {
  const times = lens.zoom / shown();
  byId("zoom").textContent = `${+times.toFixed(times < 9.5 ? 1 : 0)}×`;
  byId("zoom_out").disabled = lens.zoom === zooms()[0];
  byId("zoom_in").disabled = lens.zoom === ZOOMS.at(-1);
}

function toggle() {
  lens.enabled = !lens.enabled;
  byId("magnify").setAttribute("aria-pressed", lens.enabled);
  if (lens.enabled) move(lens.u, lens.v, "keys"); else hide();
}

function onPointer(event) {
  const img = event.target.closest(".magnified img"), touch = event.pointerType === "touch";
  if (img && event.type !== "pointerleave") {
    if (lens.dismissed && !touch) return;  // Escape holds until the pointer leaves
    const box = img.getBoundingClientRect();
    move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, touch ? "touch" : "mouse");
  } else if (!touch) {
    lens.dismissed = false;
    if (lens.source === "mouse" && !narrow.matches) hide();
  }
}

function onLensKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !lens.stage) return;
  const step = event.shiftKey ? .1 : .01;
  const arrow = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  const focused = document.activeElement === lens.stage;
  if (arrow && focused) {
    event.preventDefault();
    move(lens.u + arrow[0], lens.v + arrow[1], "keys");
  } else if (event.key === "Escape") {
    lens.dismissed = lens.on && lens.source === "mouse";
    hide();
  } else if (focused || byId("shortcuts").checked) {
    if (event.key === "+" || event.key === "=") setZoom(1);
    else if (event.key === "-") setZoom(-1);
    else if (event.key.toLowerCase() === "m" && !event.repeat) toggle();
  }
}

document.addEventListener("trialready", event => attach(event.target));
document.addEventListener("trialleave", detach);
document.addEventListener("keydown", onLensKey);
document.addEventListener("visibilitychange", () => { if (lens.on) runClock(); });
for (const type of ["pointerdown", "pointermove"]) main.addEventListener(type, onPointer);
main.addEventListener("pointerleave", onPointer);
main.addEventListener("wheel", event => {
  if (!event.target.closest(".magnified img") || event.ctrlKey) return;
  event.preventDefault();
  if (event.deltaY) setZoom(event.deltaY < 0 ? 1 : -1);
}, { passive: false });
main.addEventListener("focusout", event => {
  if (event.target === lens.stage && lens.source === "keys" && !narrow.matches) hide();
});
document.addEventListener("trialfit", rezoom);
addEventListener("resize", rezoom);
byId("magnify").addEventListener("click", toggle);
byId("zoom_out").addEventListener("click", () => setZoom(-1));
byId("zoom_in").addEventListener("click", () => setZoom(1));
