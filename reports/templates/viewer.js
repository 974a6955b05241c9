// Volumes to scroll through on a 2D canvas: three planes, two layers with blend and flicker, outlines, values.
// Axes of the picture (right, down) and of the slices for each plane; coronal and sagittal have the head up.
const PLANES = [
  { name: "axial", right: 0, down: 1, through: 2, flip: false, letters: ["R", "L", "A", "P"] },
  { name: "coronal", right: 0, down: 2, through: 1, flip: true, letters: ["R", "L", "S", "I"] },
  { name: "sagittal", right: 1, down: 2, through: 0, flip: true, letters: ["A", "P", "S", "I"] },
];
const MINUS = (text) => text.replace("-", "−");
const OFF = -1;

class SliceViewer {
  constructor(figure) {
    this.figure = figure;
    const data = JSON.parse(figure.querySelector("script.volumes").textContent);
    Object.assign(this, { size: data.size, spacing: data.spacing, origin: data.origin, direction: data.direction });
    this.layers = data.layers.map((layer) => ({ ...layer, table: valuesOf(layer), window: 0 }));
    this.labels = data.labels;
    this.at = data.start.slice();
    this.base = 0;
    this.over = this.layers.length > 1 ? 1 : OFF;
    this.mix = this.over === OFF ? 0 : this.layers[1].tint ? 1 : 0;
    this.outlines = true;
    this.flicker = 0;
    this.pointer = null;
  }

  async start() {
    for (const layer of this.layers) layer.voxels = restored(await inflated(layer.data), this.size);
    if (this.labels) this.labels.voxels = await inflated(this.labels.data);
    this.layers.forEach((layer) => delete layer.data);
    this.wire();
    this.figure.classList.add("live");
    this.figure.querySelector(".stage").hidden = false;
    new ResizeObserver(() => this.draw()).observe(this.figure.querySelector(".planes"));
    this.draw();
    this.figure.dataset.ready = "yes";
  }

  find(selector) {
    return this.figure.querySelector(selector);
  }

  wire() {
    const on = (selector, event, act) => this.find(selector)?.addEventListener(event, act);
    this.planes = PLANES.map((plane) => {
      const box = this.find(`.plane.${plane.name}`);
      const view = { ...plane, box, canvas: box.querySelector("canvas"), slider: box.querySelector("input"), told: box.querySelector(".place") };
      view.picture = new OffscreenCanvas(this.size[plane.right], this.size[plane.down]);
      view.slider.max = this.size[plane.through] - 1;
      view.slider.addEventListener("input", () => this.move(plane.through, Number(view.slider.value)));
      const locate = (event) => {
        const place = view.canvas.getBoundingClientRect();
        const u = Math.floor(((event.clientX - place.left) / place.width) * this.size[plane.right]);
        let v = Math.floor(((event.clientY - place.top) / place.height) * this.size[plane.down]);
        if (plane.flip) v = this.size[plane.down] - 1 - v;
        const point = this.at.slice();
        point[plane.right] = Math.min(Math.max(u, 0), this.size[plane.right] - 1);
        point[plane.down] = Math.min(Math.max(v, 0), this.size[plane.down] - 1);
        return point;
      };
      view.canvas.addEventListener("pointermove", (event) => {
        this.pointer = locate(event);
        if (event.buttons & 1) {
          this.at = this.pointer.slice();
          this.draw();
        } else this.tell();
      });
      view.canvas.addEventListener("pointerdown", (event) => {
        if (event.pointerType === "mouse") view.canvas.setPointerCapture(event.pointerId);
        this.at = locate(event);
        this.draw();
      });
      view.canvas.addEventListener("pointerleave", () => {
        this.pointer = null;
        this.tell();
      });
      // The wheel belongs to the page until the picture is chosen.
      view.canvas.addEventListener("wheel", (event) => {
        if (document.activeElement !== view.canvas) return;
        event.preventDefault();
        this.move(plane.through, this.at[plane.through] + Math.sign(event.deltaY));
      }, { passive: false });
      return view;
    });
    on("select.base", "change", (event) => this.choose("base", Number(event.target.value)));
    on("select.over", "change", (event) => this.choose("over", Number(event.target.value)));
    for (const which of ["base", "over"]) {
      on(`select.${which}-window`, "change", (event) => {
        this.layers[this[which]].window = Number(event.target.value);
        this.draw();
      });
    }
    on("input.mix", "input", (event) => {
      this.stopFlicker();
      this.mix = Number(event.target.value) / 100;
      this.draw();
    });
    on("button.flicker", "click", () => (this.timer ? this.stopFlicker() : this.startFlicker()));
    on("input.outlines", "change", (event) => {
      this.outlines = event.target.checked;
      this.draw();
    });
    this.find(".stage").addEventListener("keydown", (event) => this.key(event));
    this.fillWindows();
  }

  choose(which, index) {
    this[which] = index;
    if (which === "over" && index !== OFF && this.mix === 0) this.mix = this.layers[index].tint ? 1 : 0.5;
    this.stopFlicker();
    this.fillWindows();
    this.draw();
  }

  fillWindows() {
    for (const which of ["base", "over"]) {
      const select = this.find(`select.${which}-window`);
      if (!select) continue;
      const layer = this.layers[this[which]];
      select.replaceChildren(...(layer?.windows ?? []).map(([name], k) => make("option", { value: k, textContent: name })));
      select.disabled = !layer;
      if (layer) select.value = layer.window;
    }
  }

  startFlicker() {
    if (this.over === OFF) return;
    this.flicker = 1;
    this.timer = setInterval(() => {
      this.flicker = 3 - this.flicker; // 1: the layer over it alone, 2: the first alone
      this.draw();
    }, 600);
    this.find("button.flicker").setAttribute("aria-pressed", "true");
    this.draw();
  }

  stopFlicker() {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
    this.flicker = 0;
    this.find("button.flicker").setAttribute("aria-pressed", "false");
    this.draw();
  }

  move(axis, index) {
    this.at[axis] = Math.min(Math.max(index, 0), this.size[axis] - 1);
    this.draw();
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.tagName === "SELECT") return;
    const view = this.planes.find((plane) => plane.canvas === event.target);
    const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };
    const key = event.key;
    if (view && key in steps) this.move(view.through, this.at[view.through] + steps[key]);
    else if (view && key === "Home") this.move(view.through, 0);
    else if (view && key === "End") this.move(view.through, this.size[view.through] - 1);
    else if (key === "f") this.timer ? this.stopFlicker() : this.startFlicker();
    else if (key === "b" && this.over !== OFF) {
      this.stopFlicker();
      this.mix = this.mix < 0.25 ? 0.5 : this.mix < 0.75 ? 1 : 0;
      this.draw();
    } else if (key === "w" || key === "W") {
      const layer = this.layers[key === "W" && this.over !== OFF ? this.over : this.base];
      layer.window = (layer.window + 1) % layer.windows.length;
      this.fillWindows();
      this.draw();
    } else if (key === "o" && this.labels) {
      this.outlines = !this.outlines;
      this.find("input.outlines").checked = this.outlines;
      this.draw();
    } else if ("123".includes(key)) this.planes[Number(key) - 1].canvas.focus();
    else return;
    event.preventDefault();
  }

  index([x, y, z]) {
    return x + this.size[0] * (y + this.size[1] * z);
  }

  labelAt(point) {
    const { factor, voxels } = this.labels;
    const [u, v, k] = point.map((n) => n * factor);
    return voxels[u + this.size[0] * factor * (v + this.size[1] * factor * k)];
  }

  millimetres(point) {
    return [0, 1, 2].map((row) => {
      let sum = this.origin[row];
      for (let k = 0; k < 3; k++) sum += this.direction[3 * row + k] * this.spacing[k] * point[k];
      return sum;
    });
  }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.planes.forEach((view) => this.drawPlane(view));
      const mix = this.find("input.mix");
      if (mix) {
        mix.value = Math.round(100 * this.mix);
        mix.disabled = this.find("button.flicker").disabled = this.over === OFF;
      }
      this.tell();
    });
  }

  // Shade of each code in a layer's window, 0 to 1.
  shades(layer) {
    const [, low, high] = layer.windows[layer.window];
    return Float32Array.from(layer.table, (value) => (value >= low ? Math.min((value - low) / (high - low), 1) : 0));
  }

  drawPlane(view) {
    const { size, at } = this;
    const [width, height] = [size[view.right], size[view.down]];
    const base = this.layers[this.base];
    const over = this.over === OFF ? null : this.layers[this.over];
    const mix = this.flicker === 1 ? 1 : this.flicker === 2 ? 0 : this.mix;
    const under = this.shades(base);
    const above = over && mix > 0 ? this.shades(over) : null;
    const tint = over?.tint ? [1, 3, 5].map((k) => parseInt(over.tint.slice(k, k + 2), 16)) : null;
    const steps = [1, size[0], size[0] * size[1]];
    const pixels = new Uint8ClampedArray(4 * width * height);
    let to = 0;
    for (let row = 0; row < height; row++) {
      const v = view.flip ? height - 1 - row : row;
      let from = v * steps[view.down] + at[view.through] * steps[view.through];
      for (let u = 0; u < width; u++, from += steps[view.right], to += 4) {
        const grey = 255 * under[base.voxels[from]];
        let [red, green, blue] = [grey, grey, grey];
        const code = above ? over.voxels[from] : 0;
        if (code) {
          const share = tint ? mix * above[code] : mix;
          const [r, g, b] = tint ?? [255 * above[code], 255 * above[code], 255 * above[code]];
          red += share * (r - red);
          green += share * (g - green);
          blue += share * (b - blue);
        }
        pixels[to] = red;
        pixels[to + 1] = green;
        pixels[to + 2] = blue;
        pixels[to + 3] = 255;
      }
    }
    view.picture.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
    const [wide, high] = [width * this.spacing[view.right], height * this.spacing[view.down]];
    const canvas = view.canvas;
    canvas.style.aspectRatio = `${wide} / ${high}`;
    const shown = canvas.clientWidth;
    if (!shown) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [w, h] = [Math.round(shown * ratio), Math.round((shown * high * ratio) / wide)];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(view.picture, 0, 0, w, h);
    this.drawCross(pen, view, w, h, ratio);
    if (this.labels && this.outlines) this.drawOutlines(pen, view, w, h, ratio);
    this.drawLetters(pen, view, w, h, ratio);
    view.slider.value = at[view.through];
    const place = this.millimetres(at)[view.through];
    const words = `${at[view.through] + 1} of ${size[view.through]}, ${"xyz"[view.through]} ${MINUS(place.toFixed(1))} mm`;
    view.told.textContent = words;
    view.slider.setAttribute("aria-valuetext", `slice ${words}`);
  }

  drawCross(pen, view, w, h, ratio) {
    const x = ((this.at[view.right] + 0.5) / this.size[view.right]) * w;
    let y = ((this.at[view.down] + 0.5) / this.size[view.down]) * h;
    if (view.flip) y = h - y;
    pen.strokeStyle = "rgb(255 255 255 / .38)";
    pen.lineWidth = ratio;
    pen.beginPath();
    const gap = 9 * ratio;
    for (const [a, b, c, d] of [[0, y, x - gap, y], [x + gap, y, w, y], [x, 0, x, y - gap], [x, y + gap, x, h]]) {
      pen.moveTo(a, b);
      pen.lineTo(c, d);
    }
    pen.stroke();
  }

  drawOutlines(pen, view, w, h, ratio) {
    const { factor, voxels, items } = this.labels;
    const { paths, middles } = contours(voxels, this.size.map((n) => n * factor), view, this.at[view.through] * factor, [w, h]);
    for (const [label, path] of paths) {
      pen.lineCap = "round";
      pen.setLineDash([]);
      pen.strokeStyle = "rgb(0 0 0 / .55)";
      pen.lineWidth = 3 * ratio;
      pen.stroke(path);
      pen.setLineDash(items[label - 1].dashed ? [5 * ratio, 4 * ratio] : []);
      pen.strokeStyle = items[label - 1].colour;
      pen.lineWidth = 1.5 * ratio;
      pen.stroke(path);
    }
    pen.setLineDash([]);
    if (view.name !== "axial") return;
    const many = middles.size > 24; // then only the one at the cross is named
    pen.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const [label, place] of middles) if (!many || label === this.labelAt(this.at)) this.write(pen, items[label - 1].name, ...place, ratio);
  }

  drawLetters(pen, view, w, h, ratio) {
    pen.font = `600 ${12 * ratio}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const edge = 11 * ratio;
    const places = [[edge, h / 2], [w - edge, h / 2], [w / 2, edge], [w / 2, h - edge]];
    view.letters.forEach((letter, k) => this.write(pen, letter, ...places[k], ratio));
  }

  write(pen, text, x, y, ratio) {
    pen.setLineDash([]);
    pen.lineJoin = "round";
    pen.lineWidth = 3 * ratio;
    pen.strokeStyle = "rgb(0 0 0 / .75)";
    pen.strokeText(text, x, y);
    pen.fillStyle = "#fff";
    pen.fillText(text, x, y);
  }

  tell() {
    const point = this.pointer ?? this.at;
    const [x, y, z] = this.millimetres(point).map((mm) => MINUS(mm.toFixed(1)));
    const parts = [`x ${x}, y ${y}, z ${z} mm`];
    for (const layer of this.layers) {
      const code = layer.voxels[this.index(point)];
      if (!code) {
        parts.push(`${layer.name} not there`);
        continue;
      }
      const half = (layer.table[Math.min(code + 1, 255)] - layer.table[Math.max(code - 1, 1)]) / (code > 1 && code < 255 ? 4 : 2);
      const digits = Math.min(Math.max(Math.ceil(-Math.log10(half)), 0), 6);
      const bound = code === 255 ? "at least " : code === 1 && layer.table[1] < 0 ? "at most " : "";
      parts.push(MINUS(`${layer.name} ${bound}${layer.table[code].toFixed(digits)} ${layer.unit}`.trim()) + (layer.unit ? ` (± ${half.toPrecision(1)})` : ""));
    }
    const label = this.labels ? this.labelAt(point) : 0;
    if (label) parts.push(`in ${this.labels.items[label - 1].name}`);
    this.find(".readout").textContent = `${this.pointer ? "Pointer" : "Cross"}: ${parts.join(" · ")}`;
  }
}

function showVolumes() {
  const figures = document.querySelectorAll("figure.viewer");
  if (!figures.length || !window.DecompressionStream || !window.OffscreenCanvas) return;
  // Each is unpacked when the reader comes near it, so that a long page opens at once.
  const watch = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      new SliceViewer(target).start();
    }
  }, { rootMargin: "900px" });
  figures.forEach((figure) => watch.observe(figure));
}
