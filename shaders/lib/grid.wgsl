// Linear invocation index of a grid that linearGrid() may have folded onto a second axis.
fn linear_index(group: vec3<u32>, groups: vec3<u32>, lane: u32, workgroup: u32) -> u32 {
  return (group.y * groups.x + group.x) * workgroup + lane;
}
