using FsCheck;
using FsCheck.Fluent;
using Linformer.Training.Checkpoints;

namespace Linformer.Training.Tests.Checkpoints;

public sealed class CheckpointIdTests
{
    [Fact]
    public void NamesSortAsIdsDoAndAreReadBack()
    {
        var id = from lineage in Gen.Choose(0, 9_999)
                 from generation in Gen.Choose(0, 9_999)
                 from step in Gen.Choose(0, 99_999_999)
                 select new CheckpointId(lineage, generation, step);

        Check.QuickThrowOnFailure(Prop.ForAll(Gen.Zip(id, id).ToArbitrary(), pair =>
        {
            var (a, b) = pair;
            CheckpointId.Parse(a.ToString()).ShouldBe(a);
            Math.Sign(string.CompareOrdinal(a.ToString(), b.ToString())).ShouldBe(Math.Sign(a.CompareTo(b)));
        }));
    }

    [Fact]
    public void LineageOutranksGenerationAndGenerationOutranksStep()
    {
        (new CheckpointId(1, 0, 0) > new CheckpointId(0, 9, 9)).ShouldBeTrue();
        (new CheckpointId(0, 2, 10) > new CheckpointId(0, 1, 20)).ShouldBeTrue();
        (new CheckpointId(0, 1, 20) >= new CheckpointId(0, 1, 20)).ShouldBeTrue();
        (new CheckpointId(0, 1, 19) < new CheckpointId(0, 1, 20)).ShouldBeTrue();
        (new CheckpointId(0, 1, 21) <= new CheckpointId(0, 1, 20)).ShouldBeFalse();
    }

    [Fact]
    public void TheNameIsTheDocumentedOneAndGrowsWithTheNumbers()
    {
        new CheckpointId(0, 1, 100).ToString().ShouldBe("l0000-g0001-s00000100");
        CheckpointId.Parse("l12345-g2147483647-s9223372036854775807").ShouldBe(new CheckpointId(12345, int.MaxValue, long.MaxValue));
    }

    [Theory]
    [InlineData("")]
    [InlineData("l0000-g0001")]
    [InlineData("l0000-g0001-s100")]
    [InlineData("l00000-g0001-s00000100")]
    [InlineData("l0000-g0001-s00000100 ")]
    [InlineData("l0000-g0001-s0000010x")]
    [InlineData("l0000-g-001-s00000100")]
    [InlineData("l0000-g2147483648-s00000100")]
    [InlineData(".tmp-l0000-g0001-s00000100")]
    [InlineData("L0000-G0001-S00000100")]
    public void OtherNamesAreRefused(string text)
    {
        CheckpointId.TryParse(text, out _).ShouldBeFalse();
        Should.Throw<FormatException>(() => CheckpointId.Parse(text)).Message.ShouldContain($"'{text}'");
    }
}
