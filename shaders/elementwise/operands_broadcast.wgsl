// Operands that are broadcast: a step of 0 repeats an axis. The host collapses axes; the innermost one is axis 5, the
// outermost axis 0, the others fill the end. An invocation keeps its place on the innermost axis and walks through rows,
// whose places on the other axes are divided out once, and counted on from there.
const AXES: u32 = 6u; // spec
struct Place { a: u32, b: u32, c: u32 }

fn moved(at: Place, count: u32, step: Place) -> Place {
  return Place(at.a + count * step.a, at.b + count * step.b, at.c + count * step.c);
}

fn walk(span: Span) {
  for (var id = span.first; id < params.chunks * params.size5; id += span.stride) {
    let chunk = divide(id, params.size5);
    let k = id - chunk * params.size5;
    let first = chunk * params.depth;
    var rest = first;
    var at = Place(k * params.a5, k * params.b5, k * params.c5);
    var k4 = 0u;
    if (AXES > 2u) {
      let next = divide(rest, params.size4);
      k4 = rest - next * params.size4;
      at = moved(at, k4, Place(params.a4, params.b4, params.c4));
      rest = next;
    }
    var k3 = 0u;
    if (AXES > 3u) {
      let next = divide(rest, params.size3);
      k3 = rest - next * params.size3;
      at = moved(at, k3, Place(params.a3, params.b3, params.c3));
      rest = next;
    }
    var k2 = 0u;
    if (AXES > 4u) {
      let next = divide(rest, params.size2);
      k2 = rest - next * params.size2;
      at = moved(at, k2, Place(params.a2, params.b2, params.c2));
      rest = next;
    }
    var k1 = 0u;
    if (AXES > 5u) {
      let next = divide(rest, params.size1);
      k1 = rest - next * params.size1;
      at = moved(at, k1, Place(params.a1, params.b1, params.c1));
      rest = next;
    }
    at = moved(at, rest, Place(params.a0, params.b0, params.c0));
    for (var row = first; row < min(first + params.depth, params.rows); row++) {
      element(row * params.size5 + k, at);
      // One row on: the last of the row axes counts up, and an axis that is full carries into the one before it.
      var carry = 1u;
      if (AXES > 2u) {
        k4 += carry;
        let full = u32(k4 == params.size4);
        // Back to the axis's beginning wraps around, as unsigned numbers may.
        at = moved(at, carry - full * params.size4, Place(params.a4, params.b4, params.c4));
        k4 = select(k4, 0u, full == 1u);
        carry = full;
      }
      if (AXES > 3u) {
        k3 += carry;
        let full = u32(k3 == params.size3);
        // Back to the axis's beginning wraps around, as unsigned numbers may.
        at = moved(at, carry - full * params.size3, Place(params.a3, params.b3, params.c3));
        k3 = select(k3, 0u, full == 1u);
        carry = full;
      }
      if (AXES > 4u) {
        k2 += carry;
        let full = u32(k2 == params.size2);
        // Back to the axis's beginning wraps around, as unsigned numbers may.
        at = moved(at, carry - full * params.size2, Place(params.a2, params.b2, params.c2));
        k2 = select(k2, 0u, full == 1u);
        carry = full;
      }
      if (AXES > 5u) {
        k1 += carry;
        let full = u32(k1 == params.size1);
        // Back to the axis's beginning wraps around, as unsigned numbers may.
        at = moved(at, carry - full * params.size1, Place(params.a1, params.b1, params.c1));
        k1 = select(k1, 0u, full == 1u);
        carry = full;
      }
      at = moved(at, carry, Place(params.a0, params.b0, params.c0));
    }
  }
}
fn place_a(at: Place) -> u32 { return at.a; }
fn place_b(at: Place) -> u32 { return at.b; }
fn place_c(at: Place) -> u32 { return at.c; }
