// Volumes as they stand in the page: unpacked, their values, the outlines of their labels.
async function inflated(text) {
  const letters = atob(text);
  const raw = new Uint8Array(letters.length);
  for (let i = 0; i < raw.length; i++) raw[i] = letters.charCodeAt(i);
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Undoes the median edge predictor of JPEG-LS, slice by slice, in place.
function restored(codes, [nx, ny, nz]) {
  for (let z = 0, at = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, at++) {
        const left = x ? codes[at - 1] : 0;
        const up = y ? codes[at - nx] : 0;
        const corner = x && y ? codes[at - nx - 1] : 0;
        const low = left < up ? left : up;
        const high = left < up ? up : left;
        const plane = left + up - corner;
        codes[at] += plane < low ? low : plane > high ? high : plane;
      }
    }
  }
  return codes;
}

// Value of each code: straight pieces between the nodes of the layer's scale; 0 was not measured.
function valuesOf({ values, codes }) {
  const table = new Float64Array(256).fill(NaN);
  for (let k = 0; k + 1 < codes.length; k++) {
    for (let c = codes[k]; c <= codes[k + 1]; c++) {
      table[c] = values[k] + ((values[k + 1] - values[k]) * (c - codes[k])) / (codes[k + 1] - codes[k]);
    }
  }
  return table;
}

// How the midpoints of a cell's four sides are joined, for each set of its corners that carry a label.
const [N, S, W, E] = [[1, 0.5], [1, 1.5], [0.5, 1], [1.5, 1]];
const JOINED = {
  1: [[N, W]], 2: [[N, E]], 4: [[W, S]], 8: [[S, E]], 3: [[W, E]], 5: [[N, S]], 6: [[N, E], [W, S]], 9: [[N, W], [S, E]],
};
for (const [corners, lines] of Object.entries(JOINED)) JOINED[15 - corners] ??= lines;

// Outline of every label in one slice, as a path over a picture of this width and height, and the middle of each label.
function contours(voxels, size, view, slice, [width, height]) {
  const steps = [1, size[0], size[0] * size[1]];
  const [nu, nv] = [size[view.right], size[view.down]];
  const [du, dv] = [steps[view.right], steps[view.down]];
  const plane = slice * steps[view.through];
  const place = (u, v) => [(u * width) / nu, view.flip ? height - (v * height) / nv : (v * height) / nv];
  const segments = new Map();
  const sums = new Map();
  for (let v = 0; v + 1 < nv; v++) {
    for (let u = 0, p = plane + v * dv; u + 1 < nu; u++, p += du) {
      const corners = [voxels[p], voxels[p + du], voxels[p + dv], voxels[p + dv + du]];
      if (corners[0]) {
        const sum = sums.get(corners[0]) ?? [0, 0, 0, u, v];
        sums.set(corners[0], [sum[0] + u, sum[1] + v, sum[2] + 1, sum[3], sum[4]]);
      }
      if (corners.every((label) => label === corners[0])) continue;
      for (const label of new Set(corners)) {
        if (!label) continue;
        if (!segments.has(label)) segments.set(label, []);
        const kind = corners.reduce((bits, other, k) => bits | ((other === label) << k), 0);
        for (const [from, to] of JOINED[kind] ?? []) {
          segments.get(label).push([place(u + from[0], v + from[1]), place(u + to[0], v + to[1])]);
        }
      }
    }
  }
  const paths = new Map([...segments].map(([label, lines]) => [label, traced(lines)]));
  // A region of two halves has its middle between them: its name stands at its top then.
  const inside = (label, u, v) => voxels[plane + Math.round(u) * du + Math.round(v) * dv] === label;
  const middles = new Map(
    [...sums].map(([label, [u, v, n, top, left]]) => [label, inside(label, u / n, v / n) ? place(u / n, v / n) : place(top, left)]),
  );
  return { paths, middles };
}

// Segments joined end to end, so that dashes run on, and steps of voxels evened out by less than half of one.
function traced(lines) {
  const key = ([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`;
  const ends = new Map();
  lines.forEach((line, k) => line.forEach((end) => ends.set(key(end), [...(ends.get(key(end)) ?? []), k])));
  const path = new Path2D();
  const used = new Set();
  lines.forEach((line, first) => {
    if (used.has(first)) return;
    used.add(first);
    const points = [line[0], line[1]];
    for (;;) {
      const end = key(points.at(-1));
      const next = ends.get(end).find((k) => !used.has(k));
      if (next === undefined) break;
      used.add(next);
      points.push(key(lines[next][0]) === end ? lines[next][1] : lines[next][0]);
    }
    if (key(points[0]) === key(points.at(-1))) {
      points.pop();
      path.addPath(closed(evened(evened(points))));
    } else points.forEach((point, k) => path[k ? "lineTo" : "moveTo"](...point));
  });
  return path;
}

function evened(points) {
  const n = points.length;
  return points.map(([x, y], k) => {
    const [[a, b], [c, d]] = [points[(k + n - 1) % n], points[(k + 1) % n]];
    return [(a + 2 * x + c) / 4, (b + 2 * y + d) / 4];
  });
}

function closed(points) {
  const path = new Path2D();
  points.forEach((point, k) => path[k ? "lineTo" : "moveTo"](...point));
  path.closePath();
  return path;
}
