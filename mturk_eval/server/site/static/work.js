// The work page: a countdown, and the step to the next task once this one is submitted.
"use strict";

const timer = document.querySelector("[data-remaining-s]");
const face = document.getElementById("countdown");
const warning = document.getElementById("time-warning");
// Counted from the server's time left, so a wrong clock here does not matter.
const endsAt = performance.now() + 1000 * Number(timer.dataset.remainingS);
const WARN_AT_S = [300, 60];
let said = Infinity;

function tick() {
  const left = Math.max(0, Math.ceil((endsAt - performance.now()) / 1000));
  const hours = Math.floor(left / 3600);
  const minutes = Math.floor((left % 3600) / 60);
  const two = (n) => String(n).padStart(2, "0");
  face.textContent = (hours ? `${hours}:${two(minutes)}` : minutes) + ":" + two(left % 60);
  timer.classList.toggle("short", left <= 60);
  for (const mark of WARN_AT_S) {
    if (left <= mark && left > 0 && said > mark) {
      warning.textContent = `${Math.ceil(left / 60)} min left`;
      said = mark;
    }
  }
  if (left === 0) {
    face.textContent = "0:00";
    warning.classList.remove("visually-hidden");
    warning.textContent = "Time is over. Send your answers at once: they are taken for a few seconds.";
    clearInterval(ticking);
  }
}
const ticking = setInterval(tick, 1000);
tick();

window.addEventListener("message", (event) => {
  const fromTask = event.source === document.getElementById("task").contentWindow;
  if (fromTask && event.origin === location.origin && event.data === "mturk-eval:submitted") {
    clearInterval(ticking);
    // A moment to read the thanks.
    setTimeout(() => document.getElementById("next").submit(), 700);
  }
});
