using System.Numerics;
using Linformer.Model;

namespace Linformer.Data;

/// <summary>
/// A keyed bijection of 0 … size-1 onto itself, in no memory: a Feistel network over the next power of two, whose results
/// outside are sent through again until they fall inside (cycle walking; fewer than two rounds on average).
/// </summary>
internal static class KeyedPermutation
{
    private const int Rounds = 8;

    public static long Apply(CounterRandom key, long size, long value)
    {
        if (size < 2)
        {
            return value;
        }

        var bits = BitOperations.Log2((ulong)size - 1) + 1;
        var lowBits = bits - (bits / 2);
        var lowMask = (1UL << lowBits) - 1;
        var highMask = (1UL << (bits / 2)) - 1;
        var result = (ulong)value;
        do
        {
            var low = result & lowMask;
            var high = result >> lowBits;
            for (var round = 0UL; round < Rounds; round++)
            {
                // Each half in turn is changed by a function of the other: that can be undone, so it is a bijection.
                // Halves have at most 32 bits, which leaves room for the round's number.
                if ((round & 1) == 0)
                {
                    low ^= key.UInt64At((round << 32) | high) & lowMask;
                }
                else
                {
                    high ^= key.UInt64At((round << 32) | low) & highMask;
                }
            }

            result = (high << lowBits) | low;
        }
        while (result >= (ulong)size);
        return (long)result;
    }
}
