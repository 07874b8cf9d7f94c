// v[4a + b, tile, c] = (A d At)[a, b] of a tile d of a result's gradient x: what meets the transformed patches in the gradient
// of the weights (winograd/maps.wgsl). c: channels.
// Layout: winograd/tiles.wgsl. Grid: linear over lines of tiles and channels.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  if (at >= lines()) { return; }
  let line = line_of(at);
  for (var j = 0u; j < params.tiles_w; j++) {
    var d = mat4x4<f32>();
    d[0] = column(line, SIDE * j);
    d[1] = column(line, SIDE * j + 1u);
    if (SIDE == 3u) { d[2] = column(line, SIDE * j + 2u); }
    store(line.tile + j * params.row, plane(), spread(transpose(spread(d))));
  }
}
