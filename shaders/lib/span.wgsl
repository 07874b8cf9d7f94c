// A linear range shared out over the grid: invocation `index` of `stride` in all takes index, index + stride, ...
// Neighbours stay neighbours in memory, and a driver whose invocations cost something pays for few of them.
struct Span { first: u32, stride: u32 }

fn span_of(group: vec3<u32>, groups: vec3<u32>, lane: u32, workgroup: u32) -> Span {
  return Span((group.y * groups.x + group.x) * workgroup + lane, groups.x * groups.y * workgroup);
}
