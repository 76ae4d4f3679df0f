using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Linformer.Data.Tokenizers;

/// <summary>
/// Remembers the tokens of short words: a table in which a word has two places, of which the older one is taken when both are
/// in use. It grows up to some megabytes. For one thread.
/// </summary>
internal sealed class WordCache
{
    /// <summary>The longest word that is remembered, in bytes.</summary>
    public const int LongestWord = 31;

    /// <summary>The most tokens of a word that is remembered.</summary>
    public const int MostTokens = 7;

    /// <summary>What <see cref="TryCopy"/> writes, whatever the word.</summary>
    public const int CopiedTokens = MostTokens + 1;

    // Of 64 bytes each.
    private const int FewestPlaces = 1 << 8;
    private const int MostPlaces = 1 << 16;

    private static readonly Vector256<byte> Indices = Vector256.Create(
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, (byte)31);

    private Place[] _places = new Place[FewestPlaces];
    private int _added;

    /// <summary>The key of the word at the start of a text: its bytes, and its length in each of the bytes that are left.</summary>
    /// <param name="text">The text.</param>
    /// <param name="length">The word's length, from 1 to <see cref="LongestWord"/>.</param>
    public static Vector256<byte> KeyOf(ReadOnlySpan<byte> text, int length)
    {
        Vector256<byte> bytes;
        if (text.Length >= Vector256<byte>.Count)
        {
            bytes = Vector256.LoadUnsafe(ref MemoryMarshal.GetReference(text));
        }
        else
        {
            Span<byte> whole = stackalloc byte[Vector256<byte>.Count];
            text[..length].CopyTo(whole);
            bytes = Vector256.LoadUnsafe(ref MemoryMarshal.GetReference(whole));
        }

        var padding = Vector256.Create((byte)length);
        return Vector256.ConditionalSelect(Vector256.LessThan(Indices, padding), bytes, padding);
    }

    /// <summary>Copies the tokens of a word, and whatever comes after them.</summary>
    /// <param name="key">The word.</param>
    /// <param name="tokens">[at least <see cref="CopiedTokens"/>]: receives them.</param>
    /// <returns>How many tokens the word has; 0 when it is not remembered.</returns>
    public int TryCopy(Vector256<byte> key, Span<int> tokens)
    {
        var index = IndexOf(key);
        ref var place = ref _places[index];
        if (place.Key != key)
        {
            place = ref _places[index ^ 1];
            if (place.Key != key)
            {
                return 0;
            }
        }

        var found = place.Tokens;
        found.CopyTo(tokens);
        return found[MostTokens];
    }

    /// <summary>Remembers a word.</summary>
    /// <param name="key">The word.</param>
    /// <param name="tokens">Its tokens, from 1 to <see cref="MostTokens"/>.</param>
    public void Add(Vector256<byte> key, ReadOnlySpan<int> tokens)
    {
        Span<int> padded = stackalloc int[CopiedTokens];
        tokens.CopyTo(padded);
        padded[MostTokens] = tokens.Length;
        _added++;
        if (_added > _places.Length / 2 && _places.Length < MostPlaces)
        {
            Grow();
        }

        Put(new Place(key, Vector256.Create<int>(padded)));
    }

    private void Grow()
    {
        var places = _places;
        _places = new Place[places.Length * 2];
        foreach (ref readonly var place in places.AsSpan())
        {
            if (place.Tokens[MostTokens] > 0)
            {
                Put(place);
            }
        }
    }

    private void Put(in Place place)
    {
        var index = IndexOf(place.Key);
        _places[index ^ 1] = _places[index];
        _places[index] = place;
    }

    // Of both places the one that is looked at first.
    private int IndexOf(Vector256<byte> key)
    {
        unchecked
        {
            var words = key.AsUInt64();
            var hash = (words[0] * 0x9E3779B97F4A7C15) ^ (words[1] * 0xC2B2AE3D27D4EB4F) ^ (words[2] * 0x165667B19E3779F9) ^ (words[3] * 0xD6E8FEB86659FD93);
            hash = (hash ^ (hash >> 32)) * 0xFF51AFD7ED558CCD;
            return (int)(hash >> 40) & (_places.Length - 1);
        }
    }

    // The last of the tokens is their number.
    private readonly record struct Place(Vector256<byte> Key, Vector256<int> Tokens);
}
