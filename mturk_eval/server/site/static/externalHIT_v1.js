// The helper that HIT pages used to load from Amazon, written anew: the same four functions.

function turkGetParam(name, defaultValue) {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const match = new RegExp("[?&]" + escaped + "=([^&#]*)").exec(window.location.href);
  return match ? match[1] : defaultValue;
}

function decode(text) {
  return decodeURIComponent(String(text).replace(/\+/g, " "));
}

function turkGetSubmitToHost() {
  const host = decode(turkGetParam("turkSubmitTo", ""));
  return /^(https?:)?\/\//.test(host) ? host : "https://www.mturk.com";
}

function turkSetAssignmentID(formId, buttonId) {
  const form = document.getElementById(formId || "mturk_form");
  const button = document.getElementById(buttonId || "submitButton");
  const assignmentId = turkGetParam("assignmentId", "");
  const field = document.getElementById("assignmentId");
  if (field) field.value = assignmentId;
  if (assignmentId === "ASSIGNMENT_ID_NOT_AVAILABLE" && button) {
    button.disabled = true;
    button[button.tagName === "INPUT" ? "value" : "textContent"] =
      "You must ACCEPT the HIT before you can submit the results.";
  }
  if (form) form.action = turkGetSubmitToHost() + "/mturk/externalSubmit";
}
