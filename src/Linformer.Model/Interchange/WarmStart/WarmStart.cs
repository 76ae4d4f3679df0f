using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>Makes a Linformer of a Transformer: all weights stay, and E and F are found by a rule (see docs/convert.md for what each loses).</summary>
public static class WarmStart
{
    private const long Seed = 1;

    /// <summary>Makes the Linformer.</summary>
    /// <param name="full">A model with full attention; it stays as it is.</param>
    /// <param name="options">k, sharing, n and the rule.</param>
    /// <returns>The model, set to evaluation.</returns>
    /// <exception cref="ModelFormatException">The model has linear attention already, a rule needs samples and has none, or the sizes do not fit.</exception>
    public static MaskedLanguageModel ToLinear(MaskedLanguageModel full, WarmStartOptions options)
    {
        ArgumentNullException.ThrowIfNull(full);
        ArgumentNullException.ThrowIfNull(options);
        var rule = options.Rule;
        Check(full.Config, options, rule);
        using var teacher = options.SequenceLength is { } n && n != full.Config.SequenceLength ? Lengthened(full, n) : null;
        var student = new MaskedLanguageModel(Config(teacher?.Config ?? full.Config, options));
        try
        {
            using (no_grad())
            {
                CopyShared(teacher ?? full, student);
                Begin(student, rule);
            }

            student.eval();
            if (rule is ProjectionRule.Principal or ProjectionRule.Fit)
            {
                var layers = new LayerPairs(teacher ?? full, student);
                if (rule == ProjectionRule.Principal)
                {
                    PrincipalPositions.Set(layers, options);
                }
                else
                {
                    ProjectionFit.Run(layers, options);
                }
            }

            return student;
        }
        catch
        {
            student.Dispose();
            throw;
        }
    }

    /// <summary>Makes a model for another length: the same weights, with the embeddings of positions interpolated linearly between their ends.</summary>
    /// <param name="full">A model with full attention; it stays as it is.</param>
    /// <param name="sequenceLength">The new n.</param>
    /// <exception cref="ModelFormatException">The model has linear attention: its E and F are for one length.</exception>
    public static MaskedLanguageModel Lengthened(MaskedLanguageModel full, int sequenceLength)
    {
        ArgumentNullException.ThrowIfNull(full);
        if (full.Config.Attention != AttentionKind.Full)
        {
            throw new ModelFormatException("The model has linear attention; only one with full attention can be taken to another length so.");
        }

        using var noGrad = no_grad();
        var model = new MaskedLanguageModel(full.Config with { SequenceLength = sequenceLength });
        CopyShared(full, model);
        if (full.Config.Positions == PositionKind.Learned)
        {
            using var scope = NewDisposeScope();
            var from = full.named_parameters().First(p => p.name == "encoder.position.weight").parameter;
            var to = model.named_parameters().First(p => p.name == "encoder.position.weight").parameter;
            to.copy_(Interpolated(from, sequenceLength));
        }

        model.eval();
        return model;
    }

    /// <summary>Rows [n, width] to [count, width].</summary>
    private static Tensor Interpolated(Tensor rows, int count)
    {
        var n = (int)rows.shape[0];
        var (low, high, share) = (new long[count], new long[count], new float[count]);
        for (var i = 0; i < count; i++)
        {
            var place = count == 1 ? 0 : (double)i * (n - 1) / (count - 1);
            low[i] = (long)place;
            high[i] = Math.Min(n - 1, low[i] + 1);
            share[i] = (float)(place - low[i]);
        }

        var weights = tensor(share).unsqueeze(1);
        return (rows.index_select(0, tensor(low)) * (1 - weights)) + (rows.index_select(0, tensor(high)) * weights);
    }

    private static LinformerConfig Config(LinformerConfig full, WarmStartOptions options) =>
        full with { Attention = AttentionKind.Linear, ProjectedLength = options.ProjectedLength, Sharing = options.Sharing };

    private static void Check(LinformerConfig full, WarmStartOptions options, ProjectionRule rule)
    {
        if (full.Attention != AttentionKind.Full)
        {
            throw new ModelFormatException("The model has linear attention already; E and F are made for one with full attention.");
        }

        if (full.Causal != CausalKind.None)
        {
            throw new ModelFormatException("The model is causal; with E and F what is later would leak into it.");
        }

        if (rule is ProjectionRule.Principal or ProjectionRule.Fit && options.Samples is null)
        {
            throw new ModelFormatException($"The rule {rule} looks at samples of text, and there are none.");
        }

        var n = options.SequenceLength ?? full.SequenceLength;
        if (options.Samples is { } samples && (samples.dim() != 2 || samples.shape[0] < 1 || samples.shape[1] != n))
        {
            throw new ModelFormatException($"The samples have the shape [{string.Join(", ", samples.shape)}]; [samples, {n}] is expected.");
        }

        try
        {
            (Config(full, options) with { SequenceLength = n }).Validate();
        }
        catch (ArgumentException e)
        {
            throw new ModelFormatException($"The Linformer cannot be built: {e.Message}", e);
        }
    }

    private static void CopyShared(nn.Module from, nn.Module to)
    {
        var values = from.named_parameters().ToDictionary(p => p.name, p => p.parameter, StringComparer.Ordinal);
        foreach (var (name, parameter) in to.named_parameters())
        {
            if (values.TryGetValue(name, out var value) && value.shape.SequenceEqual(parameter.shape))
            {
                parameter.copy_(value);
            }
        }
    }

    private static void Begin(MaskedLanguageModel model, ProjectionRule rule)
    {
        foreach (var (name, parameter) in model.named_parameters().Where(p => LayerPairs.IsProjection(p.name)))
        {
            if (rule == ProjectionRule.Random)
            {
                using var scope = NewDisposeScope();
                var random = CounterRandom.For(Seed, name);
                var scale = 1 / Math.Sqrt(model.Config.ProjectedLength);
                var values = Enumerable.Range(0, (int)parameter.numel()).Select(i => (float)(scale * random.NormalAt((ulong)i))).ToArray();
                parameter.copy_(tensor(values, parameter.shape));
            }
            else
            {
                parameter.zero_();
                SetWindows(parameter, middleOnly: rule == ProjectionRule.Strided);
            }
        }
    }

    private static void SetWindows(Tensor projection, bool middleOnly)
    {
        var (k, n) = (projection.shape[^2], projection.shape[^1]);
        for (var row = 0L; row < k; row++)
        {
            var (from, to) = (row * n / k, (row + 1) * n / k);
            using var rows = projection.narrow(-2, row, 1);
            using var window = middleOnly ? rows.narrow(-1, (from + to - 1) / 2, 1) : rows.narrow(-1, from, to - from);
            window.fill_(middleOnly ? 1 : 1.0 / (to - from));
        }
    }
}
