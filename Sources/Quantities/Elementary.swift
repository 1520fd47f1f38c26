/// Elementary functions with the same bits on every IEEE 754 machine.
///
/// The C library picks its `log` and `exp` by processor, with or without fused multiply-add, so that their last bit
/// differs between hosts. These use only correctly rounded operations (+ - * /), in a fixed order, unfused.

/// ln 2 in two parts: the upper has 20 zero bits at its end, so that a product with an exponent is exact.
private let ln2High = 0x1.62e42feep-1
private let ln2Low = 0x1.a39ef35793c76p-33

/// 2 / 3, 2 / 5, … 2 / 25: the series of 2 artanh(s) / s - 2 in s squared.
///
/// |s| is at most 0.1716, so that the first term left out is below 2^-65.
private let artanhSeries: [Double] = stride(from: 3.0, through: 25.0, by: 2.0).map { 2 / $0 }

/// 1 / 2!, 1 / 3!, … 1 / 14!: the series of (exp(r) - 1 - r) / r squared.
///
/// |r| is at most 0.3466, so that the first term left out is below 2^-63.
private let exponentialSeries: [Double] = {
    var factorial = 1.0
    return (2...14).map { order in
        factorial *= Double(order)
        return 1 / factorial
    }
}()

/// The natural logarithm, within one unit in the last place.
///
/// Minus infinity at 0, not a number below it. Method: x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2), then
/// ln(1 + f) = 2 artanh(f / (2 + f)) by its series, put together as in Tang, "Table-driven implementation of the
/// logarithm function" (ACM TOMS 16, 1990), so that the large terms are exact.
public func naturalLog(_ x: Double) -> Double {
    guard x > 0 else { return x == 0 ? -.infinity : .nan }
    guard x < .infinity else { return x }
    var exponent = Double(x.exponent)
    var mantissa = x.significand
    if mantissa > 0x1.6a09e667f3bcdp0 {
        mantissa /= 2
        exponent += 1
    }
    let f = mantissa - 1
    let s = f / (2 + f)
    let halfSquare = 0.5 * f * f
    let rest = polynomial(artanhSeries, at: s * s) * (s * s)
    let correction = s * (halfSquare + rest) + exponent * ln2Low
    return exponent * ln2High - ((halfSquare - correction) - f)
}

/// e to the power of x, within one unit in the last place; infinity on overflow, 0 on underflow.
///
/// Method: x = k ln 2 + r with |r| at most ln(2) / 2, then the Taylor series of exp(r).
public func exponential(_ x: Double) -> Double {
    guard x == x else { return x }
    if x > 709.79 { return .infinity }
    if x < -745.14 { return 0 }
    let k = (x * 0x1.71547652b82fep0).rounded(.toNearestOrEven)
    let high = x - k * ln2High
    let low = k * ln2Low
    let r = high - low
    let lost = (high - r) - low
    let scaled = 1 + (r + (r * r * polynomial(exponentialSeries, at: r) + lost))
    // Two factors, each a power of two in range, so that a subnormal result is rounded once.
    let half = Int(k) / 2
    return scaled * powerOfTwo(half) * powerOfTwo(Int(k) - half)
}

/// A number to the power of a whole number from 0, by squaring.
public func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    var square = base
    var left = exponent
    while left > 0 {
        if left & 1 == 1 { result *= square }
        square *= square
        left >>= 1
    }
    return result
}

/// 2 to the power of a number between -1022 and 1023.
private func powerOfTwo(_ exponent: Int) -> Double {
    Double(bitPattern: UInt64(exponent + 1023) << 52)
}

/// The polynomial with the given coefficients, lowest order first, by Horner's rule.
private func polynomial(_ coefficients: [Double], at x: Double) -> Double {
    var sum = 0.0
    var index = coefficients.count
    while index > 0 {
        index -= 1
        sum = sum * x + coefficients[index]
    }
    return sum
}
