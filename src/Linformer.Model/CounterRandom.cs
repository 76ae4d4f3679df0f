using System.Text;

namespace Linformer.Model;

/// <summary>
/// A counter-based random generator: Philox4x32-10 of Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
/// Every draw is a pure function of (key, stream, index), so draws can be made in any order, by any process,
/// and are the same on every platform.
/// </summary>
/// <remarks>
/// Each method uses its own index space only by the caller's choice: <c>UInt64At(5)</c>, <c>UniformAt(5)</c> and
/// <c>NormalAt(5)</c> come from the same 128 bits. Use different indices, or <see cref="Derive(string)"/>,
/// for draws that must be independent.
/// </remarks>
public readonly struct CounterRandom : IEquatable<CounterRandom>
{
    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9;
    private const uint Weyl1 = 0xBB67AE85;
    private const int Rounds = 10;

    // Sub-streams take their key and stream from a block under another key, so that they never equal a draw.
    private const ulong DeriveKey = 0xA5A5_5A5A_C3C3_3C3C;

    private readonly ulong _key;
    private readonly ulong _stream;

    /// <summary>Makes a generator.</summary>
    /// <param name="key">The Philox key: its low half is word 0.</param>
    /// <param name="stream">The upper 64 bits of the Philox counter; the index of a draw is the lower 64.</param>
    public CounterRandom(ulong key, ulong stream)
    {
        _key = key;
        _stream = stream;
    }

    /// <summary>The generator that a seed gives for one purpose, such as "initialisation" or "mask".</summary>
    /// <param name="seed">Any number.</param>
    /// <param name="purpose">A name; different names give independent generators.</param>
    /// <returns>The generator with key <paramref name="seed"/> and the hash of <paramref name="purpose"/> as stream.</returns>
    public static CounterRandom For(long seed, string purpose) => new(unchecked((ulong)seed), Fnv1a(purpose));

    /// <summary>The 128 bits of one Philox block.</summary>
    /// <param name="index">The index of the draw.</param>
    /// <returns>Four words of 32 bits.</returns>
    public (uint Word0, uint Word1, uint Word2, uint Word3) BlockAt(ulong index)
    {
        uint c0 = (uint)index, c1 = (uint)(index >> 32), c2 = (uint)_stream, c3 = (uint)(_stream >> 32);
        uint k0 = (uint)_key, k1 = (uint)(_key >> 32);
        for (var round = 0; round < Rounds; round++)
        {
            var product0 = (ulong)Multiplier0 * c0;
            var product1 = (ulong)Multiplier1 * c2;
            c0 = (uint)(product1 >> 32) ^ c1 ^ k0;
            c1 = (uint)product1;
            c2 = (uint)(product0 >> 32) ^ c3 ^ k1;
            c3 = (uint)product0;
            unchecked
            {
                k0 += Weyl0;
                k1 += Weyl1;
            }
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>64 random bits.</summary>
    /// <param name="index">The index of the draw.</param>
    /// <returns>Words 0 (low) and 1 (high) of the block.</returns>
    public ulong UInt64At(ulong index)
    {
        var (low, high, _, _) = BlockAt(index);
        return low | ((ulong)high << 32);
    }

    /// <summary>A uniform number in [0, 1) with 53 random bits.</summary>
    /// <param name="index">The index of the draw.</param>
    /// <returns>A multiple of 2⁻⁵³.</returns>
    public double UniformAt(ulong index) => ToUnit(UInt64At(index));

    /// <summary>A uniform integer below a bound; its bias is below bound / 2⁶⁴.</summary>
    /// <param name="index">The index of the draw.</param>
    /// <param name="bound">The exclusive upper bound, at least 1.</param>
    /// <returns>A number in [0, bound).</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bound"/> is 0.</exception>
    public ulong BelowAt(ulong index, ulong bound)
    {
        ArgumentOutOfRangeException.ThrowIfZero(bound);
        return Math.BigMul(UInt64At(index), bound, out _);
    }

    /// <summary>A draw from the standard normal distribution (Box-Muller, in float64).</summary>
    /// <param name="index">The index of the draw.</param>
    /// <returns>A finite number; its magnitude is at most about 8.6.</returns>
    public double NormalAt(ulong index)
    {
        var (w0, w1, w2, w3) = BlockAt(index);
        var radius = 1.0 - ToUnit(w0 | ((ulong)w1 << 32)); // (0, 1]
        var turn = ToUnit(w2 | ((ulong)w3 << 32));
        return Math.Sqrt(-2.0 * PortableMath.Log(radius)) * PortableMath.CosTurn(turn);
    }

    /// <summary>An independent generator numbered <paramref name="a"/>, for example one per sequence or epoch.</summary>
    /// <param name="a">Any number.</param>
    /// <returns>The sub-stream.</returns>
    public CounterRandom Derive(ulong a)
    {
        var (w0, w1, w2, w3) = new CounterRandom(_key ^ DeriveKey, _stream).BlockAt(a);
        return new CounterRandom(w0 | ((ulong)w1 << 32), w2 | ((ulong)w3 << 32));
    }

    /// <summary>An independent generator named <paramref name="purpose"/>.</summary>
    /// <param name="purpose">A name, such as that of a parameter.</param>
    /// <returns>The sub-stream.</returns>
    public CounterRandom Derive(string purpose) => Derive(Fnv1a(purpose));

    /// <inheritdoc/>
    public bool Equals(CounterRandom other) => _key == other._key && _stream == other._stream;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is CounterRandom other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_key, _stream);

    /// <summary>Whether two generators give the same draws.</summary>
    public static bool operator ==(CounterRandom left, CounterRandom right) => left.Equals(right);

    /// <summary>Whether two generators differ.</summary>
    public static bool operator !=(CounterRandom left, CounterRandom right) => !left.Equals(right);

    private static double ToUnit(ulong bits) => (bits >> 11) * (1.0 / (1UL << 53));

    private static ulong Fnv1a(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var hash = 14695981039346656037UL;
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            hash = unchecked((hash ^ b) * 1099511628211UL);
        }

        return hash;
    }

    /// <summary>
    /// Logarithm and cosine from additions, multiplications and divisions alone. <see cref="Math.Log(double)"/> and
    /// <see cref="Math.Cos(double)"/> call the C library, whose last bit differs between platforms.
    /// </summary>
    private static class PortableMath
    {
        /// <summary>Natural logarithm of a normal x in (0, 1], to within a few units in the last place.</summary>
        public static double Log(double x)
        {
            var bits = BitConverter.DoubleToInt64Bits(x);
            var exponent = (int)(bits >> 52) - 1023;
            var mantissa = BitConverter.Int64BitsToDouble((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
            if (mantissa > 1.4142135623730951)
            {
                mantissa *= 0.5;
                exponent++;
            }

            // log m = 2 artanh(s) = 2 (s + s³/3 + s⁵/5 + …), |s| ≤ 0.1716
            var s = (mantissa - 1.0) / (mantissa + 1.0);
            var square = s * s;
            var sum = 0.0;
            for (var odd = 23; odd >= 1; odd -= 2)
            {
                sum = (sum * square) + (1.0 / odd);
            }

            return (exponent * 0.6931471805599453) + (2.0 * s * sum);
        }

        /// <summary>cos(2πt) for t in [0, 1).</summary>
        public static double CosTurn(double t)
        {
            var quarters = 4.0 * t;
            var quadrant = (int)(quarters + 0.5);
            var angle = (quarters - quadrant) * 1.5707963267948966; // [-π/4, π/4]
            return (quadrant & 3) switch
            {
                0 => Taylor(angle, 0),
                1 => -Taylor(angle, 1),
                2 => -Taylor(angle, 0),
                _ => Taylor(angle, 1),
            };
        }

        // cos (first = 0) or sin (first = 1) by its Taylor series, from the smallest term up.
        private static double Taylor(double angle, int first)
        {
            var square = angle * angle;
            var sum = 1.0;
            for (var power = 16 + first; power >= 2 + first; power -= 2)
            {
                sum = 1.0 - (sum * square / (power * (power - 1)));
            }

            return first == 0 ? sum : sum * angle;
        }
    }
}
