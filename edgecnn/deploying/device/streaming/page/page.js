"use strict";

const at = (id) => document.getElementById(id);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
let shown = 0;
let sliding = false;

/* Every text comes in as text: labels and names are other people's. */
function fill(list, items, make) {
  list.replaceChildren(...items.map(make));
}

function element(name, text, scope) {
  const made = document.createElement(name);
  made.textContent = text;
  if (scope) made.scope = scope;
  return made;
}

function resultLines(record) {
  const percent = (share) => `${(100 * share).toFixed(1)}%`;
  if (record.top) {
    return record.top.map((each) =>
      `${each.label} ${"probability" in each ? percent(each.probability) : each.value.toPrecision(4)}`);
  }
  if (record.detections) {
    return record.detections.map((each) =>
      `${each.label} ${percent(each.score)} at ${each.box.map((edge) => edge.toFixed(0)).join(", ")}`);
  }
  if (record.mask) return record.mask.classes.map((each) => `${each.label} ${percent(each.share)}`);
  return record.outputs.map((each) => `${each.name} ${each.dtype} ${each.shape.join("x")}`);
}

function tellResult(record) {
  const lines = resultLines(record);
  fill(at("result"), lines.length ? lines : ["nothing found"], (line) => element("li", line));
  at("result").dataset.frame = record.frame;
}

function tellTimes(state) {
  fill(at("times"), Object.entries(state.ms), ([stage, ms]) => {
    const row = element("tr", "");
    row.append(element("th", stage, "row"), element("td", ms.p50.toFixed(1)), element("td", ms.p90.toFixed(1)));
    return row;
  });
  at("emulated").hidden = !state.emulated;
}

function known(value, write) {
  return value === null || value === undefined ? "not known" : write(value);
}

function tellDevice(state) {
  const device = state.device;
  const throttled = device.throttled ? "now" : device.throttled_since_boot ? "earlier" : "no";
  const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const pairs = [
    ["frames a second", state.fps.toFixed(1)],
    ["answered", `${state.answered} of ${state.source.frames}`],
    ["temperature", known(device.temperature_c, (value) => `${value.toFixed(1)} °C`)],
    ["clock", known(device.clock_mhz, (value) => `${value.toFixed(0)} MHz`)],
    ["throttled", known(device.throttled, () => throttled)],
    ["under-voltage", known(device.under_voltage, (value) => (value ? "now" : "no"))],
    ["own memory", known(device.own_memory_bytes, mib)],
    ["kept frames", `${state.kept.frames} of ${state.kept.most}`],
  ];
  at("device").replaceChildren(...pairs.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

function tellSource(state) {
  const source = state.source;
  const words = {
    waiting: "Waiting for the first frame.",
    giving: state.paused ? "Paused." : "",
    lost: `Source lost: ${source.why}. It is tried again.`,
    ended: "The source has ended.",
  };
  at("source").textContent = `${state.source_name}. ${words[source.state]}`;
  at("source").classList.toggle("alert", source.state === "lost");
}

function tell(state) {
  at("model").textContent = `${state.model}, ${state.recipe}`;
  const random = state.weights === "random" ? "; random weights: its answers mean nothing" : "";
  at("release").textContent = `${state.task}; release ${state.release}; ${state.runtime}${random}`;
  at("pause").setAttribute("aria-pressed", String(state.paused));
  if (!sliding) {
    at("above").value = state.above === null ? 0 : state.above;
    at("above-value").textContent = state.above === null ? "the task's own" : state.above.toFixed(2);
  }
  tellSource(state);
  tellTimes(state);
  tellDevice(state);
}

async function post(path, body) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const told = await answer.json();
    if (told.state) tell(told.state);
    at("said").textContent = told.error || (told.kept ? `Kept ${told.kept}.` : "");
  } catch (error) {
    at("said").textContent = "The device does not answer.";
  }
}

async function show(told) {
  const answer = await fetch(`/frame/${told.frame}.jpg`);
  if (answer.status !== 200) return; /* no longer kept: the next one is on its way */
  const seen = at("picture");
  const before = seen.src;
  seen.src = URL.createObjectURL(await answer.blob());
  if (before.startsWith("blob:")) URL.revokeObjectURL(before);
  await seen.decode();
  seen.width = seen.naturalWidth;
  seen.height = seen.naturalHeight;
  tellResult(told.record);
  const lines = resultLines(told.record);
  seen.alt = `Frame ${told.frame}: ${lines.slice(0, 3).join("; ") || "nothing found"}`;
  seen.dataset.frame = told.frame;
}

async function watch() {
  for (;;) {
    try {
      const answer = await fetch(`/next.json?after=${shown}`);
      if (!answer.ok) throw new Error(answer.status);
      const told = await answer.json();
      tell(told.state);
      if (told.frame !== null) {
        shown = told.frame;
        await show(told);
      }
      await wait(document.hidden ? 2000 : 30);
    } catch (error) {
      at("source").textContent = "The device does not answer; it is tried again.";
      at("source").classList.add("alert");
      await wait(1000);
    }
  }
}

function pause() {
  post("/pause", { paused: at("pause").getAttribute("aria-pressed") !== "true" });
}

function keep() {
  post("/keep", {});
}

at("pause").addEventListener("click", pause);
at("keep").addEventListener("click", keep);
at("above").addEventListener("input", () => {
  sliding = true;
  at("above-value").textContent = Number(at("above").value).toFixed(2);
});
at("above").addEventListener("change", async () => {
  await post("/above", { above: Number(at("above").value) });
  sliding = false;
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "INPUT") return;
  if (event.key === "p") pause();
  if (event.key === "k") keep();
});
watch();
