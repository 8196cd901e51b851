"use strict";
(() => {
  // A row's data-by has, for each filter, the place of its value among the options.
  const passes = (row, filters) => {
    const places = row.dataset.by.split(" ");
    return filters.every((each, index) =>
      each.value === "" || each.selectedOptions[0].dataset.at === places[index]);
  };

  const narrow = (figure, filters) => {
    const rows = Array.from(figure.querySelector("table.values").tBodies[0].rows);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !passes(row, filters);
      shown += row.hidden ? 0 : 1;
    }
    figure.querySelector(".count").textContent = `${shown} of ${rows.length} rows`;
    figure.querySelector(".empty").hidden = shown > 0;
  };

  const connect = (figure, view) => {
    const filters = Array.from(figure.querySelectorAll("select"));
    for (const each of filters) {
      each.addEventListener("change", async () => {
        narrow(figure, filters);
        view.signal("by_" + each.dataset.key, each.value);
        await view.runAsync();
      });
    }
  };

  const draw = async (plot) => {
    const spec = JSON.parse(document.getElementById(plot.dataset.spec).textContent);
    const result = await window.vegaEmbed(plot, spec, {
      actions: false,
      logLevel: 1, // errors: that a choice of filters leaves no row is told in words
      mode: "vega",
      renderer: "svg",
      tooltip: { theme: "page", maxDepth: 0 },
    });
    connect(plot.closest("figure"), result.view);
    return result.view;
  };

  const openAll = () => document.querySelectorAll("details").forEach((each) => {
    if (!each.open) { each.open = true; each.dataset.printed = ""; }
  });
  const closeAgain = () => document.querySelectorAll("details[data-printed]").forEach((each) => {
    each.open = false;
    delete each.dataset.printed;
  });
  addEventListener("beforeprint", openAll);
  addEventListener("afterprint", closeAgain);

  const drawOrTell = (plot) => draw(plot).catch((error) => {
    plot.textContent = "This chart could not be drawn; the table below has its values.";
    console.error(`${plot.dataset.spec}: ${error.stack}`);
  });

  Promise.all(Array.from(document.querySelectorAll(".plot"), drawOrTell)).then(() => {
    document.documentElement.dataset.ready = "";
  });
})();
