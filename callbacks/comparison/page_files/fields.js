// Fields of all methods and the truth at one lead time, which a slider chooses.
(() => {
  const found = document.getElementById("fields-data");
  if (!found) return;
  const fields = JSON.parse(found.textContent), { height, width, leads } = fields;
  const colours = fields.colours.match(/.{6}/g).map((colour) => [0, 2, 4].map((at) => parseInt(colour.slice(at, at + 2), 16)));
  const slider = document.getElementById("lead"), label = document.getElementById("lead-text");
  const errors = document.getElementById("errors"), play = document.getElementById("play");
  const unit = fields.units === "1" ? "" : ` ${fields.units}`;
  const canvases = fields.rows.map((_, number) => document.querySelector(`[data-field="${number}"]`));
  let levels = null, timer = null;

  async function read({ source }) {  // grey levels of all frames
    const image = new Image();
    image.src = source;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    return Uint8Array.from({ length: data.length / 4 }, (_, at) => data[4 * at]);
  }

  function paint(canvas, value) {
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    let known = false;
    for (let at = 0; at < width * height; at++) {
      const level = value(at);
      known ||= level > 0;
      image.data.set(level > 0 ? [...colours[level], 255] : [204, 204, 204, 255], 4 * at);
    }
    context.putImageData(image, 0, 0);
    return known;
  }

  function show() {
    const number = Number(slider.value), start = number * width * height;
    label.textContent = `lead time ${Number(leads[number].toPrecision(5))}${unit}`;
    slider.setAttribute("aria-valuetext", label.textContent);
    if (!levels) return;
    const truth = levels[0], error = errors.checked;
    canvases.forEach((canvas, row) => {
      const own = levels[row];
      const value = row === 0 || !error ? (at) => own[start + at] : (at) => {
        const [forecast, true_] = [own[start + at], truth[start + at]];
        return forecast && true_ ? Math.min(255, Math.max(1, 128 + forecast - true_)) : 0;
      };
      const known = paint(canvas, value), none = row === 0 || error ? "no truth" : "not finite";
      canvas.parentElement.querySelector("small").textContent = known ? "" : ` (${none})`;
      canvas.parentElement.querySelector("span").textContent = row > 0 && error ? "error of " : "";
    });
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  play.addEventListener("click", () => {
    if (timer) return stop();
    play.textContent = "Stop";
    timer = setInterval(() => {
      slider.value = (Number(slider.value) + 1) % leads.length;
      show();
    }, 150);
  });
  slider.addEventListener("input", () => { stop(); show(); });
  errors.addEventListener("change", show);
  const scale = document.getElementById("scale"), strip = scale.getContext("2d");
  for (let level = 1; level < 256; level++) {
    strip.fillStyle = `rgb(${colours[level]})`;
    strip.fillRect(level - 1, 0, 1, 1);
  }
  show();
  Promise.all(fields.rows.map(read)).then((all) => {
    levels = all;
    show();
    document.querySelector(".fields").setAttribute("aria-busy", "false");
  });
})();
