// Tells the work page around this frame that the answers are stored.
"use strict";
if (window.parent !== window) window.parent.postMessage("mturk-eval:submitted", "*");
