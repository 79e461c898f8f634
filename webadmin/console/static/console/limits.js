// A slider and the field beside it say the same number. The field is what is sent: without this script it is all there is.
"use strict";
document.querySelectorAll("input[data-slides]").forEach((slider) => {
  const field = document.getElementById(slider.dataset.slides);
  if (!field) return;
  slider.hidden = false;
  slider.addEventListener("input", () => { field.value = slider.value; });
  field.addEventListener("input", () => { slider.value = field.value; });
});
