/** Stacked bars as PNG: shares of kinds, one bar per row. */
import { sharpModule } from "../data/image.ts";
import { FONT_FAMILY } from "../fonts.ts";

/** Bars from top to bottom, each made of the same kinds. */
export interface BarFigure {
  title: string;
  xLabel: string;
  rows: readonly string[];
  kinds: readonly { name: string; color: string; /** One value per row. */ values: readonly number[] }[];
  /** End of the axis; around the data where absent. */
  limit?: number;
}

const [BAR_HEIGHT, SURROUNDINGS, WIDTH] = [22, 132, 760];

/** Draws bars as PNG bytes, at twice the density. */
export async function renderBars({ title, xLabel, rows, kinds, limit }: BarFigure): Promise<Uint8Array> {
  const [sharp, echarts] = await Promise.all([sharpModule(), import("echarts")]);
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: SURROUNDINGS + BAR_HEIGHT * rows.length });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: { fontFamily: FONT_FAMILY },
    title: { text: title, left: "center", top: 8, textStyle: { fontSize: 16, fontFamily: FONT_FAMILY } },
    legend: { top: 40, itemWidth: 14, itemHeight: 14, itemGap: 22 },
    grid: { left: 128, right: 36, top: 72, bottom: 56 },
    xAxis: { type: "value", name: xLabel, nameLocation: "middle", nameGap: 32, ...(limit === undefined ? {} : { max: limit }), splitLine: { lineStyle: { color: "#e6e6e6" } } },
    yAxis: { type: "category", data: [...rows], inverse: true, axisTick: { show: false }, axisLabel: { interval: 0 } },
    series: kinds.map(({ name, color, values }) => ({ type: "bar" as const, name, stack: "all", barWidth: "72%", itemStyle: { color }, data: [...values] })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return new Uint8Array(await sharp(Buffer.from(svg), { density: 144 }).png().toBuffer());
}
