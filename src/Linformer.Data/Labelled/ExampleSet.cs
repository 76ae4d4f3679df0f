namespace Linformer.Data.Labelled;

/// <summary>The tokens of an example's texts, without special tokens.</summary>
/// <param name="Text">The text.</param>
/// <param name="TextPair">The second text of a pair; null for an example of one text.</param>
public sealed record ExampleText(int[] Text, int[]? TextPair);

/// <summary>Examples to train on, or held out. Safe for many threads.</summary>
public sealed class ExampleSet
{
    private readonly TokenStream _stream;
    private readonly int _separator;
    private readonly Place[] _places;

    internal ExampleSet(TokenStream stream, int separator, Place[] places) => (_stream, _separator, _places) = (stream, separator, places);

    /// <summary>Examples.</summary>
    public long Count => _places.Length;

    /// <summary>What is to be predicted: the number of the class, or the number itself.</summary>
    /// <param name="index">The example, from 0 to <see cref="Count"/> - 1.</param>
    public double Target(long index) => _places[index].Target;

    /// <summary>Tokens of an example: of both texts, the separator between them counted.</summary>
    /// <param name="index">The example, from 0 to <see cref="Count"/> - 1.</param>
    public int Tokens(long index) => _places[index].Length;

    /// <summary>Reads the texts of an example.</summary>
    /// <param name="index">The example, from 0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="BadDataException">A shard is damaged.</exception>
    /// <exception cref="IOException">A shard cannot be read.</exception>
    public ExampleText Read(long index)
    {
        var place = _places[index];
        var tokens = new int[place.Length];
        _stream.Read(place.Start, tokens);
        var separator = Array.IndexOf(tokens, _separator);
        return separator < 0 ? new ExampleText(tokens, null) : new ExampleText(tokens[..separator], tokens[(separator + 1)..]);
    }

    /// <summary>Where the texts of an example are in the stream of tokens, and what is to be predicted.</summary>
    internal readonly record struct Place(long Start, int Length, double Target);
}
