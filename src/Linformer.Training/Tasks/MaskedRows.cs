namespace Linformer.Training.Tasks;

/// <summary>The numbers of a micro-batch in memory that is used again for later ones.</summary>
internal sealed class MaskedRows
{
    private long[] _values = [];

    /// <summary>Sequences.</summary>
    public int Rows { get; private set; }

    /// <summary>The length of a sequence, n.</summary>
    public int Length { get; private set; }

    /// <summary>Tokens that have to be predicted.</summary>
    public int Predicted { get; set; }

    /// <summary>Tokens without padding.</summary>
    public long Tokens { get; set; }

    /// <summary>Whether there is padding.</summary>
    public bool IsPadded => Tokens < Ids.Length;

    /// <summary>[batch · n]: the token ids, the chosen ones replaced.</summary>
    public Span<long> Ids => Part(0);

    /// <summary>[batch · n]: 1 for a token, 0 for padding.</summary>
    public Span<long> Keep => Part(1);

    /// <summary>[batch · n]: where in <see cref="Ids"/> the chosen tokens are, ascending; the first <see cref="Predicted"/> of it.</summary>
    public Span<long> Positions => Part(2);

    /// <summary>[batch · n]: what the chosen tokens were; the first <see cref="Predicted"/> of it.</summary>
    public Span<long> Targets => Part(3);

    /// <summary>Makes room for a micro-batch, whose numbers are whatever was there before.</summary>
    /// <param name="rows">Sequences.</param>
    /// <param name="length">The length of a sequence, n.</param>
    public void Begin(int rows, int length)
    {
        (Rows, Length, Predicted, Tokens) = (rows, length, 0, 0);
        var size = checked(4 * rows * length);
        if (_values.Length < size)
        {
            _values = new long[size];
        }
    }

    private Span<long> Part(int index) => _values.AsSpan(index * Rows * Length, Rows * Length);
}
