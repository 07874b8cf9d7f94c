// Operands that are broadcast: a step of 0 repeats an axis. The host collapses axes; the innermost one is axis 5, the
// outermost axis 0, the others fill the end. An invocation keeps its place on the innermost axis and walks through rows,
// so that a division is paid per row and axis beyond the second, not per element.
const AXES: u32 = 6u; // spec
struct Place { a: u32, b: u32, c: u32 }

fn row_place(row: u32) -> Place {
  var at = Place(0u, 0u, 0u);
  var rest = row;
  if (AXES > 2u) {
    let next = divide(rest, params.size4);
    let k = rest - next * params.size4;
    at.a += k * params.a4;
    at.b += k * params.b4;
    at.c += k * params.c4;
    rest = next;
  }
  if (AXES > 3u) {
    let next = divide(rest, params.size3);
    let k = rest - next * params.size3;
    at.a += k * params.a3;
    at.b += k * params.b3;
    at.c += k * params.c3;
    rest = next;
  }
  if (AXES > 4u) {
    let next = divide(rest, params.size2);
    let k = rest - next * params.size2;
    at.a += k * params.a2;
    at.b += k * params.b2;
    at.c += k * params.c2;
    rest = next;
  }
  if (AXES > 5u) {
    let next = divide(rest, params.size1);
    let k = rest - next * params.size1;
    at.a += k * params.a1;
    at.b += k * params.b1;
    at.c += k * params.c1;
    rest = next;
  }
  if (AXES > 1u) {
    at.a += rest * params.a0;
    at.b += rest * params.b0;
    at.c += rest * params.c0;
  }
  return at;
}

fn walk(span: Span) {
  for (var id = span.first; id < params.chunks * params.size5; id += span.stride) {
    let chunk = divide(id, params.size5);
    let k = id - chunk * params.size5;
    for (var row = chunk * params.depth; row < min((chunk + 1u) * params.depth, params.rows); row++) {
      let at = row_place(row);
      element(row * params.size5 + k, Place(at.a + k * params.a5, at.b + k * params.b5, at.c + k * params.c5));
    }
  }
}
fn place_a(at: Place) -> u32 { return at.a; }
fn place_b(at: Place) -> u32 { return at.b; }
fn place_c(at: Place) -> u32 { return at.c; }
