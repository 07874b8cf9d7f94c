// v[4a + b, tile, c] = (Bt d B)[a, b] of the 4x4 patch d of x that a tile of results reads (winograd/maps.wgsl); c: channels.
// Neighbouring patches share 4 - SIDE columns. Layout: winograd/tiles.wgsl. Grid: linear over lines of tiles and channels.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  if (at >= lines()) { return; }
  let line = line_of(at);
  var d0 = column(line, 0u);
  var d1 = column(line, 1u);
  for (var j = 0u; j < params.tiles_w; j++) {
    if (SIDE == 3u) { d1 = column(line, SIDE * j + 1u); }
    let d2 = column(line, SIDE * j + 2u);
    let d3 = column(line, SIDE * j + 3u);
    store(line.tile + j * params.row, plane(), overlap(transpose(overlap(mat4x4<f32>(d0, d1, d2, d3)))));
    d0 = select(d2, d3, SIDE == 3u);
    d1 = d3;
  }
}
