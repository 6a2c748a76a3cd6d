// The home page: sections that arrive after the page and are counted anew now and then, and the chart of what was won.
// A section never changes under somebody's pointer or focus: what has come for it waits until they have left.
(() => {
  "use strict";

  const EVERY_MS = 60000;
  // Who comes back to the tab after this long finds new figures.
  const BACK_MS = 15000;
  // While somebody else is counting, or after a refusal of the network.
  const AGAIN_MS = 700;
  const LAST_AGAIN_MS = 30000;
  const hasPointer = window.matchMedia("(hover: hover)");
  const isCalm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const charts = new Map();
  const waiting = new Map();

  const cards = () => [...document.querySelectorAll("[data-home]")];

  // Sections

  function isInHand(card) {
    return (hasPointer.matches && card.matches(":hover")) || card.contains(document.activeElement);
  }

  function show(card, html, state) {
    waiting.delete(card);
    const open = [...card.querySelectorAll("details[open][data-keep]")].map((each) => each.dataset.keep);
    const isFirst = card.dataset.state === "waiting";
    charts.get(card)?.destroy();
    charts.delete(card);
    card.innerHTML = html;
    open.forEach((name) => card.querySelector(`details[data-keep="${name}"]`)?.setAttribute("open", ""));
    card.dataset.state = state;
    card.removeAttribute("aria-busy");
    draw(card, isFirst);
    tellAge();
  }

  // The page is as old as the oldest of its figures.
  function tellAge() {
    const ages = [...document.querySelectorAll("[data-home-at]")].sort((one, other) => Date.parse(one.dateTime) - Date.parse(other.dateTime));
    document.querySelector("[data-home-age]").textContent = ages[0]?.textContent ?? "";
  }

  function offer(card, html, state) {
    if (card.dataset.state === "waiting" || !isInHand(card)) show(card, html, state);
    else waiting.set(card, () => show(card, html, state));
  }

  function left(event) {
    const card = event.target instanceof Element && event.target.closest("[data-home]");
    // The focus is on its way: where it went is known a moment later.
    if (card && waiting.has(card)) window.setTimeout(() => isInHand(card) || waiting.get(card)?.(), 0);
  }

  function again(card) {
    card.tries = (card.tries || 0) + 1;
    window.clearTimeout(card.timer);
    card.timer = window.setTimeout(() => refresh(card), Math.min(AGAIN_MS * 1.6 ** card.tries, LAST_AGAIN_MS));
  }

  async function refresh(card) {
    if (card.isAsking || document.hidden) return;
    card.isAsking = true;
    try {
      const response = await fetch(card.dataset.home, { headers: { "X-Requested-With": "XMLHttpRequest" } });
      // Whoever is logged out is led to the login page, and so is the page itself.
      if (response.redirected) return void window.location.reload();
      if (!response.ok) throw new Error(String(response.status));
      const state = response.headers.get("X-Home-State");
      card.askedAt = Date.now();
      if (state !== "waiting") offer(card, await response.text(), state);
      if (state === "fresh") card.tries = 0;
      else again(card);
      say(false);
    } catch {
      say(true);
      again(card);
    } finally {
      card.isAsking = false;
    }
  }

  function refreshAll(olderThan) {
    cards().filter((card) => Date.now() - (card.askedAt || 0) >= olderThan).forEach(refresh);
  }

  function say(isAway) {
    const sign = document.querySelector("[data-home-sign]");
    const text = isAway ? sign.dataset.text : "";
    if (sign.textContent !== text) sign.textContent = text;
  }

  // The chart

  // Colors of the theme as the canvas takes them, whatever notation the style sheet has them in.
  function colorOf(name, place = document.body) {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    place.append(probe);
    const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    pixel.fillStyle = getComputedStyle(probe).color;
    probe.remove();
    pixel.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pixel.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${alpha / 255})`;
  }

  function options(data, chosen, animation) {
    const compact = new Intl.NumberFormat(data.language, { notation: "compact", maximumFractionDigits: 1 });
    const quiet = colorOf("--art-quiet");
    const font = { family: getComputedStyle(document.body).fontFamily, size: 12 };
    return {
      animation,
      maintainAspectRatio: false,
      onClick: (event, found) => found.length && go(event.native, data.links[found[0].index]),
      onHover: (event, found) => { event.native.target.style.cursor = found.length ? "pointer" : ""; },
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { grid: { display: false }, border: { color: colorOf("--art-line") }, ticks: { color: quiet, font, maxRotation: 0, autoSkipPadding: 6 } },
        y: {
          beginAtZero: true,
          border: { display: false },
          grid: { color: colorOf("--art-line") },
          ticks: { color: quiet, font, maxTicksLimit: 5, precision: 0, callback: (value) => compact.format(value) },
        },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          displayColors: false,
          backgroundColor: colorOf("--art-strong"),
          titleColor: colorOf("--art-surface"),
          bodyColor: colorOf("--art-surface"),
          padding: 10,
          cornerRadius: 6,
          titleFont: { ...font, weight: 600 },
          bodyFont: { ...font, size: 13 },
          callbacks: {
            title: (items) => data.titles[items[0].dataIndex],
            label: (item) => data.series[chosen].texts[item.dataIndex],
          },
        },
      },
    };
  }

  function go(event, link) {
    if (event.ctrlKey || event.metaKey) window.open(link);
    else window.location.assign(link);
  }

  function chosenOf(data) {
    const label = window.sessionStorage.getItem("homeSeries");
    return Math.max(data.series.findIndex((each) => each.label === label), 0);
  }

  function draw(card, isFirst) {
    const place = card.querySelector("[data-home-chart]");
    if (!place || !window.Chart) return;
    const data = JSON.parse(place.querySelector("script[type='application/json']").textContent);
    const chosen = chosenOf(data);
    const [now, past] = [colorOf("--home-bar", place), colorOf("--home-bar-past", place)];
    const last = data.labels.length - 1;
    buttons(card, place, data, chosen);
    charts.get(card)?.destroy();
    charts.set(card, new window.Chart(place.querySelector("canvas"), {
      type: "bar",
      data: {
        labels: data.labels,
        datasets: [{
          data: data.series[chosen].values,
          backgroundColor: data.labels.map((_label, at) => (at === last ? now : past)),
          hoverBackgroundColor: now,
          borderRadius: 4,
          maxBarThickness: 44,
          categoryPercentage: 0.8,
        }],
      },
      options: options(data, chosen, isFirst && !isCalm.matches ? { duration: 300 } : false),
    }));
  }

  function buttons(card, place, data, chosen) {
    const holder = place.querySelector("[data-series]");
    // The focus stays on the button that was pressed: they are made once and only marked after that.
    if (!holder.children.length) {
      data.series.forEach((each) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = each.label;
        button.addEventListener("click", () => {
          window.sessionStorage.setItem("homeSeries", each.label);
          draw(card, false);
        });
        holder.append(button);
      });
    }
    [...holder.children].forEach((button, at) => button.setAttribute("aria-pressed", String(at === chosen)));
  }

  // The page

  cards().forEach((card) => {
    card.askedAt = card.dataset.state === "fresh" ? Date.now() : 0;
    draw(card, true);
    if (card.dataset.state !== "fresh") refresh(card);
  });
  tellAge();
  document.addEventListener("visibilitychange", () => document.hidden || refreshAll(BACK_MS));
  window.addEventListener("online", () => refreshAll(0));
  // A page that comes back by the button "back" is the one that was left.
  window.addEventListener("pageshow", (event) => event.persisted && refreshAll(0));
  window.setInterval(() => refreshAll(EVERY_MS), EVERY_MS / 4);
  document.addEventListener("mouseout", left);
  document.addEventListener("focusout", left);
  new MutationObserver(() => charts.forEach((_chart, card) => draw(card, false)))
    .observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
