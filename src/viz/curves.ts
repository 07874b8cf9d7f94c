/** Line charts as PNG: echarts renders SVG without a browser, sharp turns it into pixels. */
import { sharpModule } from "../data/image.ts";
import { writeFileAtomic } from "../files.ts";
import { FONT_FAMILY } from "../fonts.ts";

/** One line. */
export interface CurveSeries {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
  /** 1 puts it on the right-hand axis. */
  axis?: 0 | 1;
  /** Marks every point; for curves of few points. */
  symbols?: boolean;
}

/** A chart. */
export interface CurveFigure {
  /** Lines take these in order; colour-blind safe ones where absent. */
  colors?: readonly string[];
  /** [low, high] of the axes; around the data where absent. */
  xRange?: readonly [number, number];
  yRange?: readonly [number, number];
  /** Names of the lines above the plot, or in a column beside it. */
  legend?: "top" | "right";
  title: string;
  xLabel: string;
  yLabels: readonly [left: string, right?: string];
  series: readonly CurveSeries[];
  logY?: boolean;
  /** [width, height] in px before the two-fold density. */
  size?: readonly [number, number];
}

/** Colour-blind safe (Okabe and Ito). */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/** Between names above the plot, px: echarts takes them for shorter than they are. */
const LEGEND_GAP = 26;

/** Of a name beside the plot, px, about. */
const CHARACTER_WIDTH = 7;

/** Draws a chart as PNG bytes. */
export async function renderCurves(figure: CurveFigure): Promise<Uint8Array> {
  const [sharp, echarts] = await Promise.all([sharpModule(), import("echarts")]);
  const [width, height] = figure.size ?? [760, 420];
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  const right = figure.yLabels[1];
  const range = (limits: readonly [number, number] | undefined) => (limits ? { min: limits[0], max: limits[1] } : {});
  const beside = figure.legend === "right";
  const longest = Math.max(...figure.series.map(({ name }) => name.length));
  const axis = (name: string, index: number) => ({
    ...range(figure.yRange),
    type: index === 0 && figure.logY ? ("log" as const) : ("value" as const),
    name,
    nameLocation: "middle" as const,
    nameGap: 52,
    scale: true,
    position: index === 0 ? ("left" as const) : ("right" as const),
    splitLine: { show: index === 0, lineStyle: { color: "#e6e6e6" } },
    axisLine: { show: true },
    axisLabel: { hideOverlap: true },
  });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    color: [...(figure.colors ?? COLORS)],
    textStyle: { fontFamily: FONT_FAMILY },
    title: { text: figure.title, left: "center", top: 8, textStyle: { fontSize: 16, fontFamily: FONT_FAMILY } },
    legend: { itemWidth: 28, itemGap: beside ? 10 : LEGEND_GAP, icon: "path://M0 0h28v3H0z", ...(beside ? { orient: "vertical" as const, right: 16, top: "middle" } : { top: 40 }) },
    grid: { left: 78, right: beside ? 64 + CHARACTER_WIDTH * longest : right ? 78 : 28, top: beside ? 48 : 84, bottom: 56 },
    xAxis: { type: "value", max: "dataMax" as const, ...range(figure.xRange), name: figure.xLabel, nameLocation: "middle", nameGap: 32, scale: true, splitLine: { show: false } },
    yAxis: right ? [axis(figure.yLabels[0], 0), axis(right, 1)] : [axis(figure.yLabels[0], 0)],
    series: figure.series.map(({ name, points, axis: yAxisIndex = 0, symbols }) => ({
      type: "line" as const,
      name,
      yAxisIndex,
      data: points.filter(([, y]) => Number.isFinite(y)).map(([x, y]) => [x, y]),
      showSymbol: symbols ?? points.length < 40,
      symbolSize: 5,
      lineStyle: { width: 2 },
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return new Uint8Array(await sharp(Buffer.from(svg), { density: 144 }).png().toBuffer());
}

/** Draws a chart into a PNG file. */
export async function drawCurves(figure: CurveFigure, path: string): Promise<void> {
  await writeFileAtomic(path, await renderCurves(figure));
}
